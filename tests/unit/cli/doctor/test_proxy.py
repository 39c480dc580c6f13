"""`holdfast doctor --url` finds what a proxy does not pass on, and says what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.cli.conftest import Terminal
from tests.unit.cli.doctor.proxies import proxied
from tests.unit.web.support import Lab, served


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path / "web", root_path="/hf", allowed_hosts=("jobs.example",))
    yield lab
    lab.close()


def without(name: str) -> Callable[[bytes], bytes]:
    return lambda head: re.sub(rb"\r\n" + name.encode() + rb":[^\r]*", b"", head, flags=re.IGNORECASE)


def as_host(host: str) -> Callable[[bytes], bytes]:
    return lambda head: re.sub(rb"\r\nhost:[^\r]*", b"\r\nHost: " + host.encode(), head, flags=re.IGNORECASE)


def as_is(head: bytes) -> bytes:
    return head


def stripped(head: bytes) -> bytes:
    return head.replace(b" /hf/", b" /", 1)


def findings(terminal: Terminal, url: str) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in terminal("doctor", "--url", url, "--json").json["items"]}


@pytest.mark.parametrize(
    ("mend", "bad", "said"),
    [
        (as_is, set(), ""),
        (stripped, set(), ""),
        (as_host("jobs.example"), {"form", "websocket"}, "Host header with its port"),
        (as_host("unknown.example"), {"pages", "form", "origin", "websocket"}, "HOLDFAST_ALLOWED_HOSTS"),
        (without("Origin"), {"origin"}, "Origin header"),
        (without("Upgrade"), {"websocket"}, "forward the headers Upgrade and Connection"),
    ],
    ids=["as it is", "prefix stripped", "host without port", "unknown host", "no origin", "no upgrade"],
)
def test_what_the_proxy_leaves_out_is_said(
    terminal: Terminal, lab: Lab, mend: Callable[[bytes], bytes], bad: set[str], said: str
) -> None:
    with served(lab) as server, proxied(server, mend) as proxy:
        found = findings(terminal, f"{proxy}/hf")
    tried = ("pages", "form", "origin", "websocket")
    assert {name for name in tried if found[name]["result"] == "bad"} == bad, found
    assert said in " ".join(found[name]["fix"] for name in tried)


def test_a_prefix_that_the_server_does_not_know_is_said(terminal: Terminal, tmp_path: Path) -> None:
    lab = Lab(tmp_path / "web")
    with served(lab) as server, proxied(server, stripped) as proxy:
        found = findings(terminal, f"{proxy}/hf")
    assert found["pages"]["result"] == "bad"
    assert "HOLDFAST_ROOT_PATH=/hf" in found["pages"]["fix"]
    lab.close()
