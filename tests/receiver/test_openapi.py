# SPDX-License-Identifier: MIT
"""
Tests for `consentkit.receiver.openapi`: the receiver is what it says it is.

schemathesis makes requests out of the description, good ones and bad ones,
and holds each answer against it. The seed is fixed.
"""

from __future__ import annotations

import json

from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import hypothesis
import jsonschema  # type: ignore[import-untyped]
import pytest

from consentkit.receiver import (
    RequestLimits,
    Store,
    Tenants,
    make_app,
    serve,
    store_from_url,
)
from consentkit.receiver.openapi import describe
from consentkit.seal import KeyRing
from tests.needs import POSTGRESQL, need_library, need_postgresql
from tests.transports.conformance import (
    make_batch,
    make_erasure,
    make_record,
)


need_library("schemathesis")

import schemathesis  # noqa: E402 - after the look whether it is there


pytestmark = pytest.mark.need_extra("receiver")

EXAMPLES = 40
ROUTES = sorted(
    (path, method)
    for path, item in describe()["paths"].items()
    for method in item
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def served(request, tmp_path_factory):
    """
    Give a receiver with keys, and its store.
    """
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("served")
        if request.param == "postgresql":
            need_postgresql()
            from tests.ledger.support import fresh_schema

            schema = stack.enter_context(fresh_schema())
            place = f"{POSTGRESQL}?schema={schema}"
        else:
            place = str(folder / "store.db")
        store = stack.enter_context(closing(store_from_url(place)))
        app = make_app(store, keys=KeyRing.new(folder / "keys.json"))
        server = stack.enter_context(serve(app))
        yield server, store


def schema_of(name):
    """
    Give the schema of one part of the description, to validate with.
    """
    return {
        "$ref": f"#/components/schemas/{name}",
        "components": describe()["components"],
    }


class TestDescription:
    """
    Tests for the document by itself.
    """

    def test_documents_of_the_transport_are_in_it(self):
        """
        What a transport sends is described, field for field.
        """
        for name, document in [
            ("Batch", make_batch().as_json()),
            ("Erasure", make_erasure().as_json()),
        ]:
            jsonschema.validate(document, schema_of(name))
            for key in document:
                less = {k: v for k, v in document.items() if k != key}
                with pytest.raises(jsonschema.ValidationError):
                    jsonschema.validate(less, schema_of(name))

    def test_is_of_this_version(self):
        """
        It carries the version of consentkit.
        """
        from importlib.metadata import version

        assert describe()["info"]["version"] == version("consentkit")


class TestByItsDescription:
    """
    Tests for a running receiver, driven by its description.
    """

    @pytest.mark.parametrize(("path", "method"), ROUTES)
    def test_answers_as_described(self, served, path, method):
        """
        Whatever comes to a route, the answer has a status and a form that
        the description has for it, and is no failure of the receiver's own.
        """
        server, store = served
        base = server.url.removesuffix("/v1")
        schema = schemathesis.openapi.from_dict(describe())
        schema.config.update(base_url=base)
        operation = schema[path][method]
        checks = [
            schemathesis.checks.CHECKS.get_one(name)
            for name in (
                "not_a_server_error",
                "status_code_conformance",
                "content_type_conformance",
                "response_headers_conformance",
                "response_schema_conformance",
            )
        ]
        statuses = []
        modes = [
            schemathesis.GenerationMode.POSITIVE,
            schemathesis.GenerationMode.NEGATIVE,
        ]
        for mode in modes:

            @hypothesis.seed(26)
            @hypothesis.settings(
                max_examples=EXAMPLES,
                database=None,
                deadline=None,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            def send(case):
                answer = case.call(timeout=30)
                statuses.append(answer.status_code)
                if answer.status_code != 405:
                    case.validate_response(answer, checks=checks)

            try:
                send()
            except hypothesis.errors.Unsatisfiable:
                # A route that takes nothing cannot be given what is wrong.
                assert method == "get"
        assert 200 in statuses or method == "post"
        assert 500 not in statuses
        store.check()

    def test_good_documents_are_stored_whole(self, served):
        """
        What the description makes as a batch is stored or rejected record by
        record, and the store has just what was called stored.
        """
        server, store = served
        schema = schemathesis.openapi.from_dict(describe())
        schema.config.update(base_url=server.url.removesuffix("/v1"))
        operation = schema["/v1/batches"]["POST"]
        before = {one.record.id for one in store.records()}
        said = set()
        known = make_record().as_json()
        soon = (datetime.now(UTC) + timedelta(days=1)).isoformat(
            timespec="milliseconds"
        )

        @hypothesis.seed(26)
        @hypothesis.settings(
            max_examples=EXAMPLES,
            database=None,
            deadline=None,
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        @hypothesis.given(
            case=operation.as_strategy(
                generation_mode=schemathesis.GenerationMode.POSITIVE
            )
        )
        def send(case):
            if not isinstance(case.body, dict) or "records" not in case.body:
                return
            # So that some of it is good by what no schema can say.
            for one in case.body["records"]:
                one["recipient"] = case.body["recipient"]
                one["captured_at"], one["expires_at"] = soon, soon
                for key in ("data_type", "protection", "class"):
                    one[key] = known[key]
            case.headers.pop("Idempotency-Key", None)
            answer = case.call(timeout=30)
            if answer.status_code == 200:
                said.update(
                    one["id"]
                    for one in answer.json()["outcomes"]
                    if one["outcome"] == "stored"
                )

        send()

        after = {one.record.id for one in store.records()}
        assert said
        assert after - before == said - before


class TestByLimits:
    """
    Tests for statuses that only some settings give.
    """

    def test_each_status_is_described(self, tmp_path):
        """
        401, 403, 413 and 415 come as the description has them.
        """
        digest = sha256(b"ours").hexdigest()
        (tmp_path / "tenants.toml").write_text(
            f'[a]\nsha256 = ["{digest}"]\nrecipients = ["somebody"]\n'
        )
        store = Store(tmp_path / "store.db")
        app = make_app(
            store,
            token="all",
            tenants=Tenants(tmp_path / "tenants.toml"),
            limits=RequestLimits(records=1),
        )
        good = make_batch(make_record()).as_json()
        more = make_batch().as_json()
        import httpx

        with serve(app) as server, httpx.Client() as client:

            def post(document, token, kind="application/json"):
                answer = client.post(
                    f"{server.url}/batches",
                    content=json.dumps(document),
                    headers={
                        "Authorization": f"Bearer {token}",
                        "Content-Type": kind,
                    },
                )
                told = describe()["paths"]["/v1/batches"]["post"]["responses"]
                assert str(answer.status_code) in told
                jsonschema.validate(
                    answer.json(),
                    schema_of(
                        "Error" if answer.status_code != 200 else "BatchAnswer"
                    ),
                )
                return answer.status_code

            assert post(good, "nobody") == 401
            assert post(good, "ours") == 403
            assert post(more, "all") == 413
            assert post(good, "all", "text/plain") == 415
            assert post(good, "all") == 200
        store.close()
