"""The prefix of a proxy, kept or stripped, also where it is the first part of an address of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from holdfast import ConfigurationError, Holdfast
from tests.unit.web.support import Lab, served

PREFIXES = ["/hf", "/jobs", "/api", "/queues", "/static", "/live", "/health", "/a/b", "/jobs/jobs"]
PATHS = [
    "/",
    "/jobs",
    "/queues",
    "/types",
    "/workers",
    "/help",
    "/api/v1/stats",
    "/health/ready",
    "/openapi.json",
]
HTML = {"Accept": "text/html"}


@pytest.fixture(params=PREFIXES)
def prefix(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def lab(tmp_path: Path, prefix: str) -> Iterator[Lab]:
    lab = Lab(tmp_path, root_path=prefix)
    yield lab
    lab.close()


@pytest.mark.parametrize("handling", ["auto", "kept", "stripped"])
def test_every_page_with_the_prefix_kept_or_stripped(tmp_path: Path, prefix: str, handling: str) -> None:
    lab = Lab(tmp_path, root_path=prefix, proxy_prefix=handling)
    job = lab.add()[0]
    with served(lab) as url, httpx.Client(base_url=url, headers=HTML) as http:
        for front in {"auto": (prefix, ""), "kept": (prefix, ""), "stripped": ("",)}[handling]:
            if handling == "kept" and not front and prefix != "/hf":
                continue  # asked directly, past the proxy: only where the prefix begins no address of ours
            for path in (*PATHS, f"/jobs/{job}", f"/api/v1/jobs/{job}"):
                answer = http.get(front + path)
                assert answer.status_code == 200, (front, path)
            home = http.get(f"{front}/").text
            assert f'data-base="{prefix}"' in home
            assert f'href="{prefix}/jobs"' in home
            style = home.partition('<link rel="stylesheet" href="')[2].partition('"')[0]
            assert style.startswith(f"{prefix}/static/")
            assert http.get(front + style.removeprefix(prefix)).headers["content-type"].startswith("text/css")
    lab.close()


def test_a_websocket_and_a_form_with_the_prefix_kept_or_stripped(lab: Lab, prefix: str) -> None:
    with served(lab) as url, httpx.Client(base_url=url, headers=HTML) as http:
        for front in (prefix, ""):
            with connect(f"{url.replace('http', 'ws')}{front}/api/v1/ws"):
                pass
            answer = http.post(f"{front}/looks", data={"theme": "dark"}, headers={"Origin": url})
            assert answer.status_code == 303
            assert answer.headers["location"] == f"{prefix}/"


def test_where_a_path_does_not_decide_the_setting_does(tmp_path: Path) -> None:
    """Behind the prefix /jobs, /jobs is the overview when it was kept, and the list of jobs when it was stripped."""
    for handling, title in (("kept", "Ready for the first job"), ("stripped", "Jobs"), ("auto", "Jobs")):
        lab = Lab(tmp_path / handling, root_path="/jobs", proxy_prefix=handling)
        with served(lab) as url, httpx.Client(base_url=url, headers=HTML) as http:
            page = http.get("/jobs").text
            assert f"<title>{title}" in page, page.partition("<title>")[2][:40]
        lab.close()


@pytest.mark.parametrize(
    "wrong",
    [
        "hf",
        "http://x/hf",
        "//evil",
        "/a//b",
        "/hf?x",
        "/hf#x",
        "/a b",
        "/..",
        "/a/../b",
        "/a%2fb",
        "/a\\b",
        "/a\n",
    ],
)
def test_what_is_no_prefix_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="must be a path such as /holdfast"):
        Holdfast(root_path=wrong).settings  # noqa: B018


@pytest.mark.parametrize(
    ("given", "used"), [("", ""), ("/", ""), ("/hf/", "/hf"), ("/.well/a.b", "/.well/a.b")]
)
def test_a_final_slash_is_no_part_of_a_prefix(given: str, used: str) -> None:
    assert Holdfast(root_path=given).settings.root_path == used
