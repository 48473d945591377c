"""The OpenAPI document matches the routes; every schema that it names exists and is valid."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minisched.api.context import STATUSES
from minisched.api.openapi import SCHEMAS, document
from minisched.api.routing import BASE, IDS, routes
from support.api import Api
from support.config import task

DOCUMENT = document("1.2.3")


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def test_it_is_served_as_it_is_made(tmp_path: Path) -> None:
    api = Api(tmp_path / "home", task())
    assert api.get("/openapi.json").json == json.loads(json.dumps(DOCUMENT))
    api.close()


def test_every_route_is_in_it_once() -> None:
    found = {
        (method.upper(), path)
        for path, operations in DOCUMENT["paths"].items()
        for method in operations
        if path.startswith(BASE)
    }
    assert found == {(route.method, BASE + route.path) for route in routes()}
    assert {path for path in DOCUMENT["paths"] if not path.startswith(BASE)} == {"/healthz", "/metrics"}
    operations = [one for operations in DOCUMENT["paths"].values() for one in operations.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)


def test_every_schema_that_is_named_exists_and_is_used() -> None:
    found = set(references(DOCUMENT))
    assert found == {f"#/components/schemas/{name}" for name in SCHEMAS}
    for route in routes():
        assert {answer.schema for answer in route.answers} - {""} <= set(SCHEMAS)


@pytest.mark.parametrize("route", routes(), ids=lambda route: f"{route.method} {route.path}")
def test_an_operation_matches_its_route(route: Any) -> None:
    operation = DOCUMENT["paths"][BASE + route.path][route.method.lower()]
    named = {(one["in"], one["name"]) for one in operation["parameters"]}
    assert {("query", parameter.name) for parameter in route.query} <= named
    assert {("path", name) for name in re.findall(r"\{(\w+)\}", route.path)} <= named
    assert {str(answer.status) for answer in route.answers} <= set(operation["responses"])
    assert {str(STATUSES[code]) for code in route.errors} <= set(operation["responses"])
    assert ("requestBody" in operation) == (route.body is not None)
    assert ({"token": []} in operation["security"]) == (route.access != "open")
    assert ("401" in operation["responses"]) == (route.access != "open")


def test_ids_are_matched_by_the_same_expression_everywhere() -> None:
    for name, pattern in IDS.items():
        for path, operations in DOCUMENT["paths"].items():
            for operation in operations.values():
                for one in operation["parameters"]:
                    if one["name"] == name and one["in"] == "path":
                        assert one["schema"]["pattern"] == f"^{pattern}$", path


def test_every_schema_is_valid() -> None:
    jsonschema_rs = pytest.importorskip("jsonschema_rs", reason="comes with schemathesis, which needs Python 3.11")
    for name in SCHEMAS:
        jsonschema_rs.validator_for({"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}})
    jsonschema_rs.meta.validate({"$defs": SCHEMAS, "$schema": "https://json-schema.org/draft/2020-12/schema"})
