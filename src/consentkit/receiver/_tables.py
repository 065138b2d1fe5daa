# SPDX-License-Identifier: MIT
"""
The tables of a receiver in PostgreSQL, and all that is asked of them.

A record's columns stand in order of their size, so that none is padded.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from consentkit.ledger._tables import Schema, statement


__all__ = ["FORMAT", "Statements"]

#: Number of the format of the tables.
FORMAT: Final = 1

# Schemas are made one at a time, so that two processes can begin at once.
_MIGRATE: Final = """\
SELECT pg_advisory_xact_lock(4874135210);

CREATE SCHEMA IF NOT EXISTS {s};

CREATE TABLE IF NOT EXISTS {s}.records (
    id uuid PRIMARY KEY,
    batch uuid NOT NULL,
    n bigint NOT NULL,
    captured_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    erase bytea NOT NULL,
    consent bytea NOT NULL,
    function text NOT NULL,
    data_type text NOT NULL,
    purpose text NOT NULL,
    recipient text NOT NULL,
    protection text NOT NULL,
    class text NOT NULL,
    policy_version text NOT NULL,
    value text NOT NULL
);

CREATE SEQUENCE IF NOT EXISTS {s}.arrivals
INCREMENT 65536 OWNED BY {s}.records.n;

CREATE INDEX IF NOT EXISTS records_by_erase ON {s}.records (erase);

CREATE INDEX IF NOT EXISTS records_by_expiry ON {s}.records (expires_at);

CREATE INDEX IF NOT EXISTS records_by_function ON {s}.records (function);

CREATE TABLE IF NOT EXISTS {s}.erased (
    erase bytea PRIMARY KEY,
    at timestamptz NOT NULL,
    records bigint NOT NULL
);

CREATE TABLE IF NOT EXISTS {s}.tally (name text NOT NULL, n bigint NOT NULL);

CREATE TABLE IF NOT EXISTS {s}.reports (
    id uuid PRIMARY KEY,
    n bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    recipient text NOT NULL
);

CREATE TABLE IF NOT EXISTS {s}.drops (
    report uuid NOT NULL REFERENCES {s}.reports ON DELETE CASCADE,
    place integer NOT NULL,
    count bigint NOT NULL,
    function text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (report, place)
);

CREATE TABLE IF NOT EXISTS {s}.head (
    one integer PRIMARY KEY CHECK (one = 1),
    format integer NOT NULL
);

INSERT INTO {s}.head VALUES (1, {format}) ON CONFLICT DO NOTHING"""


@frozen
class Statements(Schema):
    """
    The statements for the tables of one schema.
    """

    exists: str = statement("SELECT to_regclass('{s}.head') IS NOT NULL")
    format: str = statement("SELECT format FROM {s}.head WHERE one = 1")
    # A lock for the grant comes before the look whether it is erased: what
    # is committed by then is seen, and an erasure waits for the end of this.
    # Answered has to mean durable, whatever this user's default is.
    begin: str = statement(
        "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; "
        "SELECT CASE WHEN current_setting('synchronous_commit') = 'off' "
        "THEN set_config('synchronous_commit', 'on', true) END; "
        "SELECT pg_advisory_xact_lock{kind}({lock}); "
        "SELECT records FROM {s}.erased WHERE erase = '\\x{erase}'"
    )
    # In order of the ids, so that two processes with the same records wait
    # for each other and not both; numbered in the order of the batch. What
    # many records share comes once.
    add: str = statement(
        "WITH arrived AS MATERIALIZED (SELECT nextval('{s}.arrivals') AS n) "
        "INSERT INTO {s}.records (id, batch, n, captured_at, expires_at, "
        "received_at, erase, consent, function, data_type, purpose, "
        "recipient, protection, class, policy_version, value) "
        "SELECT one.id, %s::uuid, arrived.n + one.place, one.captured_at, "
        "one.expires_at, %s::timestamptz, %s::bytea, kind.consent, "
        "kind.function, kind.data_type, kind.purpose, %s::text, "
        "kind.protection, kind.class, kind.policy_version, one.value "
        "FROM arrived, unnest(%s::uuid[], %s::timestamptz[], "
        "%s::timestamptz[], %s::integer[], %s::text[]) WITH ORDINALITY "
        "AS one (id, captured_at, expires_at, kind, value, place) "
        "JOIN unnest(%s::bytea[], %s::text[], %s::text[], %s::text[], "
        "%s::text[], %s::text[], %s::text[]) WITH ORDINALITY AS kind "
        "(consent, function, data_type, purpose, protection, class, "
        "policy_version, number) ON kind.number = one.kind "
        "ORDER BY one.id ON CONFLICT (id) DO NOTHING RETURNING id::text"
    )
    known: str = statement(
        "SELECT id::text FROM {s}.records WHERE id = ANY(%s::uuid[])"
    )
    # Rows are added and summed up later: one row that all processes change
    # would let them wait for each other.
    tally: str = statement("INSERT INTO {s}.tally VALUES (%s, %s)")
    erase: str = statement("DELETE FROM {s}.records WHERE erase = %s")
    note_erased: str = statement(
        "INSERT INTO {s}.erased VALUES (%s, %s, %s) ON CONFLICT (erase) "
        "DO UPDATE SET records = EXCLUDED.records"
    )
    # What another transaction deletes just now is left to it.
    purge: str = statement(
        "DELETE FROM {s}.records WHERE id = ANY (ARRAY("
        "SELECT id FROM {s}.records WHERE expires_at <= %s "
        "ORDER BY expires_at LIMIT %s FOR UPDATE SKIP LOCKED))"
    )
    sum_up: str = statement(
        "WITH gone AS (DELETE FROM {s}.tally RETURNING name, n) "
        "INSERT INTO {s}.tally SELECT name, sum(n) FROM gone GROUP BY name"
    )
    forget_reports: str = statement(
        "DELETE FROM {s}.reports WHERE received_at <= %s"
    )
    add_report: str = statement(
        "INSERT INTO {s}.reports (id, recipient, since, until, received_at) "
        "VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
    )
    add_drops: str = statement(
        "INSERT INTO {s}.drops (report, place, function, reason, count) "
        "SELECT %s::uuid, place, function, reason, count FROM unnest("
        "%s::text[], %s::text[], %s::bigint[]) WITH ORDINALITY "
        "AS given (function, reason, count, place)"
    )
    # Instants in UTC: those at the edges of the calendar have no form in
    # some zones that a server may be set to.
    reports: str = statement(
        "SELECT r.id::text, r.recipient, r.since AT TIME ZONE 'UTC', "
        "r.until AT TIME ZONE 'UTC', d.function, d.reason, d.count FROM {s}.reports r JOIN {s}.drops d "
        "ON d.report = r.id ORDER BY r.n, d.place"
    )
    records: str = statement(
        "SELECT batch::text, erase, received_at AT TIME ZONE 'UTC', id::text, "
        "captured_at AT TIME ZONE 'UTC', expires_at AT TIME ZONE 'UTC', "
        "consent, function, data_type, purpose, recipient, "
        "protection, class, policy_version, value FROM {s}.records "
        "WHERE function = coalesce(%s, function) ORDER BY n"
    )
    functions: str = statement(
        "SELECT function, count(*) FROM {s}.records "
        "GROUP BY function ORDER BY function"
    )
    others: str = statement(
        "SELECT (SELECT count(DISTINCT batch) FROM {s}.records), "
        "(SELECT count(*) FROM {s}.erased)"
    )
    tallied: str = statement(
        "SELECT name, sum(n)::bigint FROM {s}.tally GROUP BY name"
    )
    dropped: str = statement(
        "SELECT reason, sum(count)::bigint FROM {s}.drops "
        "GROUP BY reason ORDER BY reason"
    )
    migrate: str = statement(_MIGRATE.replace("{format}", str(FORMAT)))
