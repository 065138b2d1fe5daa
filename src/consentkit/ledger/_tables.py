# SPDX-License-Identifier: MIT
"""
The tables of a ledger in PostgreSQL, and all that is asked of them.
"""

from __future__ import annotations

import re

from typing import Final

from attrs import field, fields, frozen

from consentkit.exceptions import StoreError


__all__ = [
    "FORMAT",
    "AbsentError",
    "Schema",
    "Statements",
    "UnsureError",
    "statement",
]

#: Number of the format of the tables.
FORMAT: Final = 1

_NAME: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")

# Schemas are made one at a time, so that two processes can begin at once.
_MIGRATE: Final = """\
SELECT pg_advisory_xact_lock(4874135209);

CREATE SCHEMA IF NOT EXISTS {s};

CREATE TABLE IF NOT EXISTS {s}.entries (
    seq bigint PRIMARY KEY CHECK (seq > 0),
    body text NOT NULL,
    hash text NOT NULL,
    subject text NOT NULL,
    nodes bytea NOT NULL
);

CREATE INDEX IF NOT EXISTS entries_of ON {s}.entries (subject, seq);

CREATE TABLE IF NOT EXISTS {s}.tails (
    subject text PRIMARY KEY,
    seq bigint NOT NULL,
    hash text NOT NULL
) WITH (fillfactor = 80);

CREATE TABLE IF NOT EXISTS {s}.head (
    one integer PRIMARY KEY CHECK (one = 1),
    format integer NOT NULL,
    origin text NOT NULL,
    size bigint NOT NULL,
    last text NOT NULL,
    frontier bytea NOT NULL,
    checkpoint text NOT NULL,
    erased bigint NOT NULL
) WITH (fillfactor = 10);

CREATE TABLE IF NOT EXISTS {s}.policies (
    digest text PRIMARY KEY,
    body text NOT NULL
);

CREATE TABLE IF NOT EXISTS {s}.subjects (
    tag text PRIMARY KEY,
    id text NOT NULL UNIQUE,
    key bytea NOT NULL
);

INSERT INTO {s}.head VALUES (1, {format}, '', 0, '', '', '', 0)
ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION {s}.refuse() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$;

CREATE OR REPLACE TRIGGER entries_stay
BEFORE UPDATE OR DELETE OR TRUNCATE ON {s}.entries
FOR EACH STATEMENT EXECUTE FUNCTION {s}.refuse();

REVOKE UPDATE, DELETE, TRUNCATE ON {s}.entries FROM PUBLIC, CURRENT_USER"""


class AbsentError(StoreError):
    """
    The tables are not there any more.
    """


class UnsureError(StoreError):
    """
    The connection broke; nobody knows how far the server came.
    """


def statement(template: str) -> str:
    """
    Declare a statement in which ``{s}`` is the schema.
    """
    return field(init=False, default=template)


@frozen
class Schema:
    """
    The name of a schema, and statements for the tables in it.

    Members declare theirs by `statement`.

    Attributes:
        schema: Its name.
    """

    schema: str

    def __attrs_post_init__(self) -> None:
        if not _NAME.fullmatch(self.schema):
            msg = (
                "a schema is named in at most 63 small letters, digits and "
                f"'_', not {self.schema!r}"
            )
            raise ValueError(msg)
        for one in fields(type(self)):
            if not one.init:
                text = getattr(self, one.name)
                text = text.replace("{s}", f'"{self.schema}"')
                object.__setattr__(self, one.name, text)


@frozen
class Statements(Schema):
    """
    The statements for the tables of one schema.
    """

    exists: str = statement("SELECT to_regclass('{s}.head') IS NOT NULL")
    head: str = statement(
        "SELECT format, origin, size, last, frontier, checkpoint, erased "
        "FROM {s}.head WHERE one = 1"
    )
    any_entry: str = statement("SELECT seq FROM {s}.entries LIMIT 1")
    # A person's link together with the entries, which are asked for next:
    # one answer of the server to wait for, instead of two.
    person: str = statement(
        "SELECT s.tag, s.key, t.hash, e.seq, e.body, e.hash "
        "FROM {s}.subjects s "
        "LEFT JOIN {s}.tails t ON t.subject = s.tag "
        "LEFT JOIN {s}.entries e ON e.subject = s.tag "
        "WHERE s.id = %s ORDER BY e.seq"
    )
    entries_of: str = statement(
        "SELECT t.hash, e.seq, e.body, e.hash "
        "FROM (VALUES (%s::text)) AS s (subject) "
        "LEFT JOIN {s}.tails t ON t.subject = s.subject "
        "LEFT JOIN {s}.entries e ON e.subject = s.subject "
        "ORDER BY e.seq"
    )
    touched: str = statement(
        "SELECT DISTINCT subject FROM {s}.entries WHERE seq > %s LIMIT %s"
    )
    nodes: str = statement(
        "SELECT seq, nodes FROM {s}.entries WHERE seq = ANY(%s)"
    )
    bodies: str = statement(
        "SELECT seq, body FROM {s}.entries WHERE seq = ANY(%s)"
    )
    hash: str = statement("SELECT hash FROM {s}.entries WHERE seq = %s")
    walk: str = statement(
        "DECLARE walk NO SCROLL CURSOR FOR "
        "SELECT seq, convert_to(body, 'UTF8'), hash, subject, nodes "
        "FROM {s}.entries ORDER BY seq"
    )
    tails: str = statement(
        "DECLARE walk NO SCROLL CURSOR FOR "
        "SELECT subject, seq, hash FROM {s}.tails ORDER BY seq"
    )
    add_entry: str = statement(
        "INSERT INTO {s}.entries (seq, body, hash, subject, nodes) "
        "VALUES (%s, %s, %s, %s, %s)"
    )
    set_tail: str = statement(
        "INSERT INTO {s}.tails (subject, seq, hash) VALUES (%s, %s, %s) "
        "ON CONFLICT (subject) DO UPDATE "
        "SET seq = EXCLUDED.seq, hash = EXCLUDED.hash"
    )
    set_head: str = statement(
        "UPDATE {s}.head SET origin = %s, size = %s, last = %s, "
        "frontier = %s, checkpoint = %s WHERE one = 1"
    )
    policy: str = statement("SELECT body FROM {s}.policies WHERE digest = %s")
    add_policy: str = statement(
        "INSERT INTO {s}.policies (digest, body) VALUES (%s, %s) "
        "ON CONFLICT DO NOTHING"
    )
    add_subject: str = statement(
        "INSERT INTO {s}.subjects (tag, id, key) VALUES (%s, %s, %s) "
        "ON CONFLICT DO NOTHING"
    )
    erase: str = statement("DELETE FROM {s}.subjects WHERE id = %s")
    note_erasure: str = statement(
        "UPDATE {s}.head SET erased = erased + 1 WHERE one = 1"
    )
    migrate: str = statement(_MIGRATE.replace("{format}", str(FORMAT)))
