"""The description of the API is valid, complete, and says what an error looks like."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from holdfast.web.guard import SECURITY_HEADERS
from tests.unit.web.support import Lab

CONTRACT = """GET /health/live
GET /health/ready
GET /stats
GET /job-types
GET /job-types/{name}
POST /jobs
POST /jobs/bulk
GET /jobs
GET /jobs/count
GET /jobs/{job_id}
GET /jobs/{job_id}/history
GET /jobs/{job_id}/logs
POST /jobs/{job_id}/pause
POST /jobs/{job_id}/resume
POST /jobs/{job_id}/cancel
POST /jobs/{job_id}/retry
DELETE /jobs/{job_id}
POST /jobs/actions
GET /queues
POST /queues/{name}/pause
POST /queues/{name}/resume
GET /workers
POST /workers/{worker_id}/drain
GET /events
GET /ws
""".splitlines()


@pytest.fixture
def described(http: httpx.Client) -> dict[str, Any]:
    return http.get("/openapi.json").json()


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_exactly_what_is_promised_is_described(described: dict[str, Any]) -> None:
    found = {
        f"{method.upper()} {path.removeprefix('/api/v1')}"
        for path, methods in described["paths"].items()
        for method in methods
    }
    assert found == set(CONTRACT)


def test_the_description_is_whole(described: dict[str, Any]) -> None:
    assert described["openapi"].startswith("3.1")
    for place in set(references(described)):
        found: Any = described
        for part in place.removeprefix("#/").split("/"):
            found = found[part]
    for schema in described["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_operation_has_words_an_id_of_its_own_and_a_problem(described: dict[str, Any]) -> None:
    ids: list[str] = []
    for path, methods in described["paths"].items():
        names = set(re.findall(r"{(\w+)}", path))
        for operation in methods.values():
            ids.append(operation["operationId"])
            assert operation["summary"]
            assert operation["description"], path
            for status in ("default", "422"):
                assert operation["responses"][status]["content"].keys() == {"application/problem+json"}
            assert {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"} == names
    assert len(ids) == len(set(ids))


def test_responses_are_as_described(lab: Lab, described: dict[str, Any], http: httpx.Client) -> None:
    lab.worker()
    lab.add(2)
    lab.progress(lab.claim(1)[0], 5)
    lab.client.types.all()
    for path, methods in described["paths"].items():
        if "get" not in methods or path.endswith(("/events", "/ws")):
            continue
        job = lab.client.jobs.search(lab.client.jobs.query("")).items[0].id
        answer = http.get(path.replace("{job_id}", job).replace("{name}", "count_to"))
        assert answer.status_code == 200, path
        schema = methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        Draft202012Validator({**schema, "components": described["components"]}).validate(answer.json())


def test_problems_are_as_described(described: dict[str, Any], http: httpx.Client) -> None:
    checker = Draft202012Validator(described["components"]["schemas"]["Problem"])
    checker.validate(http.get("/api/v1/jobs/none").json())
    checker.validate(http.post("/api/v1/jobs", json={"type": 1}).json())


def test_the_docs_page_needs_nothing_from_elsewhere(http: httpx.Client) -> None:
    page = http.get("/docs")
    assert page.headers["content-security-policy"] == SECURITY_HEADERS["Content-Security-Policy"]
    links = re.findall(r'(?:src|href|data-url)="([^"]+)"', page.text)
    assert len(links) == 5
    for link in links:
        assert link.startswith("/")
        assert http.get(link).status_code == 200, link
    assert "style=" not in page.text
    head = http.head("/docs")
    assert (head.status_code, head.content, head.headers["content-type"]) == (
        200,
        b"",
        "text/html; charset=utf-8",
    )
    assert not re.search(r"<script(?![^>]*src=)", page.text)
