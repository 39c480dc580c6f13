"""What is sent to browsers: vendored files as published, templates that a strict policy allows."""

from __future__ import annotations

import gzip
import hashlib
import re
import tomllib
from itertools import takewhile
from pathlib import Path

import pytest
from starlette.requests import Request

import holdfast.web.dashboard
from holdfast.web.dashboard.assets import asset_build, asset_response

ROOT = Path(holdfast.web.dashboard.__file__).parent
STATIC = ROOT / "static"
TEMPLATES = sorted(ROOT.rglob("*.html"))

FORBIDDEN = {
    "an inline style": r"\sstyle\s*=",
    "an inline handler": r"\son[a-z]+\s*=\s*[\"']",
    "a script without a file": r"<script(?![^>]*\bsrc=)",
    "code in hx attributes": r"hx-on|hx-live|hx-vals=[\"']js:|hx-trigger=[\"'][^\"']*\[",
    "a javascript address": r"javascript:",
    "a value that is not escaped": r"\|\s*safe\b|autoescape\s+false",
    "an absolute address": r"(?:href|src|action)=\"/",
    "another host": r"https?://",
}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_template_holds(template: Path, what: str) -> None:
    found = re.search(FORBIDDEN[what], template.read_text())
    assert found is None, f"{template.name}: {found and found.group()}"


def test_vendored_files_are_as_they_were_published() -> None:
    listed = tomllib.loads((STATIC / "vendor/vendor.toml").read_text())["file"]
    for entry in listed:
        body = (STATIC / "vendor" / entry["path"]).read_bytes()
        assert hashlib.sha256(body).hexdigest() == entry["sha256"], entry["path"]
        assert (STATIC / "vendor" / entry["licence_file"]).exists()
    present = {path.name for path in (STATIC / "vendor").iterdir() if path.suffix in (".js", ".css")}
    assert present == {entry["path"] for entry in listed}


def _gzipped(folder: str, ending: str) -> int:
    """As they are served."""
    names = [f"{folder}/{path.name}" for path in (STATIC / folder).glob(f"*.{ending}")]
    # docs.js belongs to the page of the API only
    bodies = [asset_response(_ask(name), name).body for name in names if name != "js/docs.js"]
    return sum(len(gzip.compress(bytes(body), 9)) for body in bodies)


def test_own_scripts_and_styles_stay_small() -> None:
    assert _gzipped("js", "js") <= 20 * 1024
    assert _gzipped("css", "css") <= 20_000


def test_only_comments_are_left_out_of_a_script_that_is_served() -> None:
    for path in (STATIC / "js").glob("*.js"):
        served = bytes(asset_response(_ask(path.name), f"js/{path.name}").body).decode().split("\n")
        source = iter(path.read_text().split("\n"))
        left_out = [line.strip() for kept in served for line in takewhile(kept.__ne__, source)]
        assert all(line.startswith(("//", "/*", "*")) for line in left_out), path.name


def _ask(path: str, encoding: str = "") -> Request:
    headers = [(b"accept-encoding", encoding.encode())] if encoding else []
    return Request({"type": "http", "method": "GET", "path": path, "headers": headers, "query_string": b""})


def test_a_file_under_the_current_build_may_be_kept_for_ever() -> None:
    answer = asset_response(_ask("/"), f"{asset_build()}/js/main.js")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["cache-control"]


def test_an_old_page_still_gets_its_files_but_may_not_keep_them() -> None:
    answer = asset_response(_ask("/"), "0123456789ab/js/main.js")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"


def test_files_are_packed_for_those_who_take_it() -> None:
    answer = asset_response(_ask("/", "gzip, br"), f"{asset_build()}/css/tokens.css")
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(bytes(answer.body)) == (STATIC / "css/tokens.css").read_bytes()


@pytest.mark.parametrize(
    "path", ["nope.css", "../routes.py", "vendor/../../routes.py", "", "vendor/vendor.toml"]
)
def test_nothing_else_is_sent(path: str) -> None:
    assert asset_response(_ask("/"), path).status_code == 404
