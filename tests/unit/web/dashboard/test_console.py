"""The console of a job: its files, its numbers, its pages, and nothing that only a terminal understands."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import httpx
import pytest

from holdfast.core.outcome import ErrorInfo, Settlement
from holdfast.core.states import Verb
from holdfast.storage.writes import Settle
from holdfast.web.dashboard.job.console import PAGE_LINES, plain
from tests.unit.web.support import Lab

PAGE = {"accept": "text/html"}


def talking(lab: Lab, lines: int) -> Any:
    lab.worker()
    [job] = lab.add()
    claimed = next(one for one in lab.claim(100) if one.id == job)
    for start in range(0, lines, 100):
        lab.log(claimed, [f"line {n}" for n in range(start + 1, min(start + 100, lines) + 1)])
    return claimed


def numbered(page: str) -> list[tuple[int, str]]:
    rows = re.findall(r'<li id="L\d+".*?<a [^>]*>(\d*)</a>.*?<span>(.*?)</span></li>', page)
    return [(int(number), text.strip()) for number, text in rows]


def test_the_download_has_every_line(lab: Lab, http: httpx.Client) -> None:
    job = talking(lab, 1_203)
    answer = http.get(f"/jobs/{job.id}/log.txt")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert "attachment" in answer.headers["content-disposition"]
    assert [line.split(" ", 2)[2].strip() for line in answer.text.splitlines()] == [
        f"line {n}" for n in range(1, 1_204)
    ]


def test_older_lines_are_the_two_hundred_before(lab: Lab, http: httpx.Client) -> None:
    job = talking(lab, 2 * PAGE_LINES + 50)
    seen: list[tuple[int, str]] = []
    address = f"/jobs/{job.id}"
    while address:
        page = http.get(address, headers=PAGE).text
        assert f'id="log-count">{2 * PAGE_LINES + 50} lines<' in page
        assert len(numbered(page)) in (PAGE_LINES, 50)
        seen = numbered(page) + seen
        older = re.search(r'id="log-older" href="([^"#]+)', page)
        address = html.unescape(older[1]) if older else ""
    assert seen == [(n, f"line {n}") for n in range(1, 2 * PAGE_LINES + 51)]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;https://example.org\x07link\x1b]8;;\x07", "link"),
        ("10 %\r20 %\r30 %", "30 %"),
        ("done\r", "done"),
        ("one\r\ntwo", "one\ntwo"),
        ("a\x00b\x08c\x9b31md", "abcd"),
        ("tab\tstays", "tab\tstays"),
        ("\x1b[", ""),
    ],
)
def test_what_a_terminal_understands_is_left_out(written: str, shown: str) -> None:
    assert plain(written) == shown


def test_only_actions_have_the_address_of_an_action(lab: Lab, http: httpx.Client) -> None:
    [job] = lab.add()
    assert http.get(f"/jobs/{job}/nonsense", headers=PAGE).status_code == 404
    assert http.post(f"/jobs/{job}/nonsense", headers=PAGE).status_code == 404
    for file in ("log.txt", "args.json"):
        assert http.get(f"/jobs/{job}/{file}").status_code == 200
    assert http.get(f"/jobs/{job}/cancel", headers=PAGE).status_code == 200
    assert http.get(f"/jobs/{job}/saved.json").status_code == 404


def test_a_large_result_is_a_file(lab: Lab, http: httpx.Client) -> None:
    value = [{"id": n, "name": f"customer {n}"} for n in range(20_000)]
    job = talking(lab, 1)
    ended = Settlement(job.seq, job.token, Verb.SUCCEED, result=json.dumps(value))
    lab.parts.gateway.run(Settle([ended]))
    page = http.get(f"/jobs/{job.id}", headers=PAGE).text
    assert len(page) < 100_000
    assert re.search(r"Download result, \d+(\.\d)? kB", page)
    assert "customer 0" in page
    assert http.get(f"/jobs/{job.id}/result.json").json() == value


def test_a_failed_job_begins_with_its_error(lab: Lab, http: httpx.Client) -> None:
    job = talking(lab, 3)
    error = ErrorInfo("shop.Refused", "the card <was> refused", "Traceback")
    lab.parts.gateway.run(Settle([Settlement(job.seq, job.token, Verb.FAIL, error=error)]))
    page = http.get(f"/jobs/{job.id}", headers=PAGE).text
    assert page.index("the card &lt;was&gt; refused") < page.index("<dt>Queue</dt>")
    assert page.index('id="job-error"') < page.index('id="console"')
    row = http.get("/jobs", headers=PAGE).text
    assert '<b><bdi class="cut" title="shop.Refused">Refused</bdi></b>' in row
    assert "<bdi>the card &lt;was&gt; refused</bdi>" in row
