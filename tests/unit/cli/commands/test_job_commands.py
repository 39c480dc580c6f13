"""Jobs from the command line, on a store without a worker."""

from __future__ import annotations

import json

import pytest

from holdfast.core.states import Verb
from tests.unit.cli.conftest import Hands, Terminal


def test_a_job_is_queued_with_its_options(terminal: Terminal) -> None:
    words = [
        "--arg",
        "n=7",
        "--queue",
        "mail",
        "--priority",
        "5",
        "--owner",
        "ann",
        "--tag",
        "eu",
        "--tag",
        "x",
        "--retries",
        "2",
    ]
    job = terminal("job", "run", "count_to", *words, "--timeout", "15m", "--in", "1h", "--json").json
    assert job["args"] == {"n": 7, "delay": 0.1}
    expected = {
        "queue": "mail",
        "priority": 5,
        "owner": "ann",
        "tags": ["eu", "x"],
        "max_attempts": 3,
        "timeout": 900.0,
    }
    assert {name: job[name] for name in expected} == expected
    assert (job["state"], job["origin"]) == ("scheduled", "cli")
    assert terminal("job", "show", job["id"], "--json").json == job


def test_a_key_that_is_held_makes_no_second_job(terminal: Terminal) -> None:
    first = terminal("job", "run", "count_to", "--unique", "a.csv", "--ids")
    second = terminal("job", "run", "count_to", "--unique", "a.csv", "--ids")
    assert first.out == second.out
    assert "Nothing was enqueued" in second.err
    assert "Nothing was enqueued" not in first.err


def test_the_history_names_the_person(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    job_id = terminal("job", "run", "count_to", "--ids").out.strip()
    assert terminal("job", "cancel", job_id, "--reason", "no need").code == 0
    last = terminal("job", "show", job_id, "--history", "--json").json["items"][-1]
    assert (last["state"], last["actor"], last["reason"]) == ("cancelled", "ann", "no need")


def test_actions_change_the_state_and_conflicts_change_nothing(terminal: Terminal) -> None:
    job_id = terminal("job", "run", "count_to", "--ids").out.strip()
    steps = [("pause", "paused"), ("resume", "enqueued"), ("cancel", "cancelled"), ("retry", "enqueued")]
    for action, state in steps:
        done = terminal("job", action, job_id, "--json")
        assert (done.code, done.json["state"]) == (0, state)
    refused = terminal("job", "resume", job_id)
    assert (refused.code, refused.out) == (5, "")
    assert "only paused jobs can be resumed" in refused.err
    assert terminal("job", "delete", job_id).code == 5
    terminal("job", "cancel", job_id)
    assert terminal("job", "delete", job_id, "--ids").out.strip() == job_id
    assert terminal("job", "show", job_id).code == 3


def test_partial_success_has_another_exit_code_than_none(terminal: Terminal) -> None:
    job_id = terminal("job", "run", "count_to", "--ids").out.strip()
    done = terminal("job", "pause", job_id, "nope", "--ids")
    assert (done.code, done.out.split()) == (6, [job_id])
    assert "nope" in done.err


def test_the_end_of_a_job_is_the_exit_code(terminal: Terminal, hands: Hands) -> None:
    ends = {Verb.SUCCEED: 0, Verb.FAIL: 1}
    for verb, code in ends.items():
        hands.add()
        job_id = hands.end(verb)
        assert terminal("job", "wait", job_id).code == code
        assert terminal("job", "watch", job_id).code == code
        assert terminal("job", "wait", job_id, "--no-exit-status").code == 0
    cancelled = hands.add()
    terminal("job", "cancel", cancelled)
    assert terminal("job", "wait", cancelled).code == 7
    assert terminal("job", "watch", cancelled).code == 7
    assert terminal("job", "wait", cancelled, job_id).code == 1


def test_waiting_ends_at_the_timeout_and_the_job_continues(terminal: Terminal, hands: Hands) -> None:
    job_id = hands.add()
    for words in (["job", "wait", job_id], ["job", "watch", job_id]):
        done = terminal(*words, "--timeout", "50ms")
        assert done.code == 124
        assert "continues" in done.err
    assert terminal("job", "run", "count_to", "--wait", "--wait-timeout", "50ms").code == 124
    other = hands.add()
    terminal("job", "cancel", other)
    assert terminal("job", "wait", job_id, other, "--any", "--timeout", "5s").code == 7


def test_watch_writes_a_line_for_each_change(terminal: Terminal, hands: Hands) -> None:
    hands.add()
    job_id = hands.end(Verb.SUCCEED)
    line = terminal("job", "watch", job_id).lines[-1].split("\t")
    assert line[1:3] == [job_id, "succeeded"]
    assert terminal("job", "watch", job_id, "--json").json["result"] == 3
    assert [json.loads(line)["state"] for line in terminal("job", "watch", job_id, "--ndjson").lines] == [
        "succeeded"
    ]


def test_the_console_is_read_whole_and_in_part(terminal: Terminal, hands: Hands) -> None:
    hands.add()
    job_id = hands.log(*[f"line {number}" for number in range(700)], "careful!")
    assert len(terminal("job", "logs", job_id).lines) == 701
    assert [line.split("\t")[3] for line in terminal("job", "logs", job_id, "--tail", "2").lines] == [
        "line 699",
        "careful!",
    ]
    assert terminal("job", "logs", job_id, "--tail", "0").out == ""
    assert len(terminal("job", "logs", job_id, "--json").json["items"]) == 701
    assert [
        line["message"]
        for line in terminal("job", "logs", job_id, "--level", "warning", "--json").json["items"]
    ] == ["careful!"]
    assert json.loads(terminal("job", "logs", job_id, "--tail", "1", "--ndjson").out)["level"] == "warning"
    assert terminal("job", "logs", job_id, "--level", "loud").code == 2


def test_a_page_longer_than_one_response_is_complete(terminal: Terminal, hands: Hands) -> None:
    ids = {handle.id for handle in hands.app.enqueue_many("count_to", [{"n": n} for n in range(250)])}
    assert set(terminal("job", "list", "--limit", "1000", "--ids").lines) == ids
    page = terminal("job", "list", "--limit", "240", "--json").json
    rest = terminal("job", "list", "--cursor", page["next_cursor"], "--json").json
    assert {job["id"] for job in page["items"] + rest["items"]} == ids
    assert rest["next_cursor"] is None


def test_bulk_counts_first_and_asks(terminal: Terminal, hands: Hands) -> None:
    ids = [hands.add(queue="mail") for _ in range(3)]
    terminal("job", "pause", ids[0])
    counted = terminal("job", "pause", "-q", "queue:mail", "--dry-run", "--json")
    assert counted.code == 0
    assert (counted.json["matched"], counted.json["fits"], counted.json["done"], counted.json["dry_run"]) == (
        3,
        2,
        0,
        True,
    )
    assert "3 match: 2 enqueued, 1 paused. 2 would be paused" in counted.err
    unasked = terminal("job", "pause", "-q", "queue:mail")
    assert (unasked.code, unasked.out) == (2, "")
    assert "--yes" in unasked.err
    assert terminal("job", "list", "-q", "state:paused", "--ids").lines == [ids[0]]
    done = terminal("job", "pause", "-q", "queue:mail", "--yes", "--reason", "deploy", "--json")
    assert (done.code, done.json["done"], done.json["refused"]) == (0, 2, 0)
    assert terminal("job", "pause", "-q", "queue:mail", "--yes").code == 5
    assert terminal("job", "pause", "-q", "queue:nothing", "--yes").code == 0
    assert terminal("job", "pause", "-q", "quue:mail", "--yes").code == 2
