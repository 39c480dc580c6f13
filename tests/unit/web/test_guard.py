"""Who may ask, for every address and method; what every answer carries; where the server may listen."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from holdfast.core.errors import ConfigurationError
from holdfast.core.settings import Settings
from holdfast.web.guard import SECURITY_HEADERS, check_bind
from tests.unit.web.support import Lab, served

STREAMS = {"/live", "/api/v1/events", "/api/v1/ws"}


def routes(lab: Lab) -> list[tuple[str, str]]:
    """Every (method, address) of the web app, with something in the place of its parameters."""

    def walk(found: Any, prefix: str) -> Iterator[tuple[str, str]]:
        for route in found:
            inner = getattr(route, "original_router", None)
            if inner is not None:
                yield from walk(inner.routes, prefix + route.include_context.prefix)
            elif getattr(route, "methods", None):
                path = prefix + route.path
                for part in (
                    "{path:path}",
                    "{name:path}",
                    "{job_id}",
                    "{operation_id}",
                    "{worker_id}",
                    "{name}",
                    "{action}",
                ):
                    path = path.replace(part, "x")
                for method in route.methods:
                    yield method, path

    return sorted({(method, path) for method, path in walk(lab.web.routes, "") if method != "HEAD"})


def raw(address: str, request: str) -> tuple[int, str]:
    """The status and the whole answer to bytes as they stand."""
    parts = urlsplit(address)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as line:
        line.sendall(request.replace("\n", "\r\n").encode("latin-1"))
        answer = b""
        while chunk := line.recv(65_536):
            answer += chunk
    return int(answer.split(b" ", 2)[1]), answer.decode("latin-1")


def test_the_routes_are_all_there(lab: Lab) -> None:
    found = routes(lab)
    assert ("POST", "/api/v1/jobs") in found
    assert ("DELETE", "/api/v1/jobs/x") in found
    assert ("GET", "/live") in found
    assert ("GET", "/static/x") in found
    assert not [path for _, path in found if "{" in path]
    assert len(found) > 40


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil",
        "127.0.0.1.evil:8600",
        "evil@127.0.0.1",
        "127.0.0.1:8600@evil",
        "localhost:80a",
        "localhost.",
        "LOCALHOST.EXAMPLE",
        "[::2]",
        "[::1",
        "[::1]x",
        "0.0.0.0",
        "2130706433",
        "",
    ],
)
def test_a_foreign_host_is_refused_at_every_address(lab: Lab, address: str, host: str) -> None:
    for path in (
        "/",
        "/api/v1/jobs",
        "/nowhere",
        "/live",
        "/api/v1/ws",
    ):
        status, answer = raw(address, f"GET {path} HTTP/1.1\nHost: {host}\nConnection: close\n\n")
        assert status == 400, (host, path)
        assert "host_not_allowed" in answer
        assert "content-security-policy" in answer.lower()


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:8600", "[::1]:8600", "[::1]"]
)
def test_a_loopback_host_is_taken(address: str, host: str) -> None:
    assert raw(address, f"GET /health/live HTTP/1.1\nHost: {host}\nConnection: close\n\n")[0] == 200


@pytest.mark.parametrize(
    "path", ["/health/live", "/health/ready", "/api/v1/health/ready", "/static/js/live.js"]
)
def test_health_and_static_files_are_served_to_any_host(address: str, path: str) -> None:
    for head in ("HTTP/1.1\nHost: 10.1.2.3:8600", "HTTP/1.1\nHost: pod.cluster.example", "HTTP/1.0"):
        assert raw(address, f"GET {path} {head}\nConnection: close\n\n")[0] == 200, head


def test_two_hosts_and_none(address: str) -> None:
    two = "GET /api/v1/stats HTTP/1.1\nHost: localhost\nHost: localhost\nConnection: close\n\n"
    assert raw(address, two)[0] == 400
    assert raw(address, "GET /api/v1/stats HTTP/1.0\n\n")[0] == 400
    absolute = "GET http://evil.example/api/v1/stats HTTP/1.1\nHost: evil.example\nConnection: close\n\n"
    assert raw(address, absolute)[0] == 400


def test_further_hosts_are_a_setting(tmp_path: Path) -> None:
    lab = Lab(tmp_path, allowed_hosts=("jobs.example.com",))
    with served(lab) as url, httpx.Client(base_url=url) as http:
        assert http.get("/api/v1/stats", headers={"Host": "Jobs.Example.com:443"}).status_code == 200
        assert http.get("/api/v1/stats", headers={"Host": "other.example.com"}).status_code == 400
        headers = {"Host": "jobs.example.com", "Origin": "https://jobs.example.com"}
        assert http.post("/api/v1/queues/x/resume", headers=headers).status_code == 200
    lab.close()


FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
    {"Sec-Fetch-Site": "bogus"},
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "http://127.0.0.1.evil.example"},
    {"Origin": ""},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_no_address_takes_anything_from_another_site(
    lab: Lab, http: httpx.Client, headers: dict[str, str]
) -> None:
    before = lab.client.events.last()
    for method, path in routes(lab):
        for asked in {method, "POST", "PUT", "TRACE"} if path not in STREAMS else {method}:
            answer = http.request(asked, path, headers=headers)
            assert answer.status_code == 403, (asked, path)
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "foreign_origin"
    assert lab.client.events.last() == before


def test_a_form_of_another_site_is_refused_although_it_is_a_navigation(http: httpx.Client) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Origin": "http://evil.example"}
    assert http.post("/api/v1/queues/x/pause", headers=headers).status_code == 403
    followed = http.get("/jobs", headers={**headers, "Accept": "text/html"})
    assert followed.status_code == 200


def test_our_own_pages_and_programs_may_ask(address: str, http: httpx.Client) -> None:
    for headers in (
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},  # a form of a page that sends no referrer
        {"Sec-Fetch-Site": "none"},
        {"Origin": address},
        {},
    ):
        assert http.post("/api/v1/queues/x/resume", headers=headers).status_code == 200, headers


def test_a_websocket_of_another_site_is_refused(address: str) -> None:
    url = address.replace("http", "ws") + "/api/v1/ws"
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        with pytest.raises(InvalidStatus) as caught, connect(url, additional_headers=headers):
            pass
        assert caught.value.response.status_code == 403
        assert caught.value.response.headers["content-type"] == "application/problem+json"
    with connect(url, additional_headers={"Origin": address}):
        pass


def test_looking_changes_nothing(lab: Lab, http: httpx.Client) -> None:
    [job] = lab.add()
    before = lab.client.events.last(), lab.client.jobs.get(job), lab.parts.store.queues()
    for _, path in routes(lab):
        if path not in STREAMS:
            for method in ("GET", "HEAD", "OPTIONS"):
                http.request(method, path.replace("/x", f"/{job}"))
    assert (lab.client.events.last(), lab.client.jobs.get(job), lab.parts.store.queues()) == before


def test_every_response_carries_the_security_headers(lab: Lab, http: httpx.Client) -> None:
    asked = [(method, path) for method, path in routes(lab) if path not in STREAMS]
    for method, path in [*asked, ("GET", "/nowhere"), ("PATCH", "/jobs"), ("GET", "/api/v1/nowhere")]:
        answer = http.request(method, path)
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value, (method, path)
        assert answer.headers["cache-control"], path
        assert "server" not in answer.headers
    with http.stream("GET", "/live?once=1") as live:
        assert live.headers["content-security-policy"] == SECURITY_HEADERS["Content-Security-Policy"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_only_loopback_may_be_bound(host: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_bind(Settings(host=host))  # type: ignore[call-arg]
    assert "sign-in does not exist yet" in str(caught.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_may_be_bound(host: str) -> None:
    check_bind(Settings(host=host))  # type: ignore[call-arg]


HTML = {"Accept": "text/html"}


def test_a_form_of_our_own_page_over_plain_http_is_accepted(tmp_path: Path) -> None:
    """What a browser sends as Origin follows from the policy of the page (Fetch: "append a request Origin header")."""
    lab = Lab(tmp_path, allowed_hosts=("jobs.example",))
    with served(lab) as url, httpx.Client(base_url=url, headers={"Host": "jobs.example"} | HTML) as http:
        policy = http.get("/").headers["referrer-policy"]
        origin = "null" if policy == "no-referrer" else "http://jobs.example"
        answer = http.post("/looks", data={"theme": "dark"}, headers={"Origin": origin})
        assert answer.status_code == 303
        assert http.post("/looks", data={"theme": "dark"}, headers={"Origin": "null"}).status_code == 403
    lab.close()


@pytest.mark.parametrize(
    ("headers", "status", "said"),
    [
        ({"Host": "jobs.example"}, 400, "jobs.example"),
        ({"Origin": "http://jobs.example:8080"}, 403, "http://jobs.example:8080"),
        ({"Origin": "null"}, 403, "null"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "not stated"),
    ],
)
def test_a_browser_is_refused_with_a_page_that_names_the_setting(
    http: httpx.Client, headers: dict[str, str], status: int, said: str
) -> None:
    for method in ("GET", "POST"):
        answer = http.request(method, "/jobs?q=%22%3Cb%3E", headers=headers | HTML)
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")
        assert "HOLDFAST_ALLOWED_HOSTS" in answer.text
        assert said in answer.text
        assert "<b>" not in answer.text
        assert http.request(method, "/api/v1/jobs", headers=headers | HTML).json()["status"] == status


def test_a_browser_gets_a_page_for_an_unexpected_error_too(
    http: httpx.Client, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> int:
        raise ZeroDivisionError("secret")

    monkeypatch.setattr(lab.parts.store, "last_event", broken)
    answer = http.get("/jobs", headers=HTML)
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith("text/html")
    assert "logged what happened as" in answer.text
    assert "secret" not in answer.text
