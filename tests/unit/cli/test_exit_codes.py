"""Every result has its exit code, and every error a message and a hint."""

from __future__ import annotations

import pytest

from holdfast.cli.commands.job_wait import exit_of
from holdfast.cli.exit_codes import MEANINGS, CliError, ExitCode, cli_error_for
from holdfast.core import errors as e
from tests.unit.cli.conftest import Hands, Terminal


def test_the_numbers_are_these() -> None:
    assert {exit.name: int(exit) for exit in ExitCode} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "NOT_FOUND": 3,
        "FORBIDDEN": 4,
        "CONFLICT": 5,
        "PARTLY": 6,
        "CANCELLED": 7,
        "UNREACHABLE": 69,
        "TIMEOUT": 124,
        "INTERRUPTED": 130,
    }
    assert MEANINGS.keys() == set(ExitCode)


@pytest.mark.parametrize(
    ("error", "exit"),
    [
        (e.InvalidInput("x"), ExitCode.USAGE),
        (e.InvalidArguments("x"), ExitCode.USAGE),
        (e.InvalidQuery("x"), ExitCode.USAGE),
        (e.TooLarge("x"), ExitCode.USAGE),
        (e.UnknownJobType("x"), ExitCode.NOT_FOUND),
        (e.NotFound("x"), ExitCode.NOT_FOUND),
        (e.Conflict("x"), ExitCode.CONFLICT),
        (e.StorageUnavailable("x"), ExitCode.UNREACHABLE),
        (e.StorageRefused("x"), ExitCode.UNREACHABLE),
        (e.ConfigurationError([e.Problem(("port",), "x")]), ExitCode.USAGE),
        (e.WaitTimeout("x"), ExitCode.TIMEOUT),
        (e.LeaseLost("x"), ExitCode.FAILED),
        (CliError("x", exit_code=ExitCode.FORBIDDEN), ExitCode.FORBIDDEN),
    ],
)
def test_each_error_has_its_exit(error: Exception, exit: ExitCode) -> None:
    cli_error = cli_error_for(error)
    assert cli_error is not None
    assert cli_error.exit_code is exit


def test_an_unexpected_error_has_none_of_our_exit_codes() -> None:
    assert cli_error_for(KeyError("x")) is None


def test_help_lists_them_all(terminal: Terminal) -> None:
    done = terminal("help", "exit-codes")
    assert done.code == 0
    assert [int(line.split()[0]) for line in done.lines] == sorted(int(exit) for exit in ExitCode)


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["jbo", "list"], 2, "Did you mean 'job'?"),
        (["job", "lits"], 2, "Did you mean"),
        (["job", "list", "--limt", "3"], 2, "--limit"),
        (["job", "run"], 2, "Missing argument"),
        (["job", "run", "nope"], 3, "holdfast type list"),
        (["job", "run", "count_t"], 3, "count_to"),
        (["job", "run", "count_to", "--arg", "n=many"], 2, "args.n"),
        (["job", "run", "count_to", "--arg", "n"], 2, "--arg name=value"),
        (["job", "run", "count_to", "--json-args", "[1]"], 2, "not a JSON object"),
        (["job", "run", "count_to", "--json-args", "{"], 2, "not JSON"),
        (["job", "run", "count_to", "--json-args", '{"n": NaN}'], 2, "NaN"),
        (["job", "run", "count_to", "--json-args", "@nowhere.json"], 2, "No such file"),
        (["job", "run", "count_to", "--in", "soon"], 2, "not a duration"),
        (["job", "run", "count_to", "--at", "soon"], 2, "not a time"),
        (["job", "run", "count_to", "--in", "1m", "--at", "2030-01-01"], 2, "not both"),
        (["job", "show", "nope"], 3, "no job nope"),
        (["job", "logs", "nope"], 3, "no job nope"),
        (["job", "wait", "nope"], 3, "no job nope"),
        (["job", "watch", "nope"], 3, "no job nope"),
        (["job", "cancel", "nope"], 3, "no job nope"),
        (["job", "cancel"], 2, "Neither ids nor a search"),
        (["job", "cancel", "x", "-q", "y"], 2, "Both ids and a search"),
        (["job", "cancel", "x", "--dry-run"], 2, "--dry-run"),
        (["job", "list", "--json", "--ids"], 2, "cannot be combined"),
        (["type", "show", "nope"], 3, "nope"),
        (["help", "nothing"], 2, "exit-codes"),
        (["db", "check"], 3, "holdfast db migrate"),
        (["job", "list", "--url", "ftp://x"], 2, "http://127.0.0.1:8600"),
        (["job", "list", "--url", "http://127.0.0.1:9"], 69, "No response from the server"),
        (["job", "list", "--app", "nowhere:app"], 2, "nowhere"),
    ],
)
def test_bad_commands_end_with_their_code_and_a_cure(
    terminal: Terminal, words: list[str], code: int, says: str
) -> None:
    done = terminal(*words)
    assert (done.code, done.out) == (code, "")
    assert says in done.err
    assert "Traceback" not in done.err


def test_unknown_settings_are_reported_with_the_nearest_name(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_CONCURENCY", "3")
    done = terminal("job", "list")
    assert done.code == 2
    assert "did you mean concurrency?" in done.err
    assert "Traceback" not in done.err


def test_the_trace_is_shown_on_request_and_the_code_stays(terminal: Terminal) -> None:
    done = terminal("job", "show", "nope", "--verbose")
    assert done.code == 3
    assert "Traceback" in done.err


def test_control_characters_do_not_reach_the_terminal(terminal: Terminal) -> None:
    done = terminal("job", "show", "\x1b[31mred")
    assert done.code == 3
    assert "\x1b" not in done.err


def test_a_failed_job_weighs_more_than_a_cancelled_one(hands: Hands) -> None:
    jobs = [hands.app.client.jobs.get(hands.add()) for _ in range(3)]
    by_state = [
        job.model_copy(update={"state": state})
        for job, state in zip(jobs, ("succeeded", "cancelled", "failed"), strict=True)
    ]
    assert exit_of(by_state) is ExitCode.FAILED
    assert exit_of(by_state[:2]) is ExitCode.CANCELLED
    assert exit_of(by_state[:1]) is ExitCode.DONE
