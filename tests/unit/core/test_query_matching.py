"""What id and last state alone tell of a search: it surely did not find the job, or it may have."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from holdfast.core.query import Candidate, matches, may_match, parse
from holdfast.core.records import JobRecord

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("", True),
        ("state:failed", True),
        ("state:succeeded", False),
        ("-state:failed", False),
        ("state:succeeded,failed", True),
        ("state:retrying", False),
        ("tag:eu", True),
        ("-tag:eu", True),
        ("tag:eu state:succeeded", False),
        ("tag:eu OR state:succeeded", True),
        ("id:abc OR state:succeeded", True),
        ("id:abd OR state:succeeded", False),
        ("id:ab*", True),
        ("-id:ab*", False),
        ("-(state:succeeded tag:eu)", True),
        ("-(state:failed OR tag:eu)", False),
    ],
)
def test_a_job_of_which_little_is_known(text: str, may: bool) -> None:
    assert may_match(parse(text, now=NOW).root, "abc", "failed") is may


def test_what_is_only_asked_of_a_state_is_not_known() -> None:
    assert may_match(parse("state:cancelling", now=NOW).root, "abc", "processing")
    assert may_match(parse("-state:retrying", now=NOW).root, "abc", "scheduled")


def test_a_worker_is_found_by_its_names_and_a_wait_by_its_history() -> None:
    plain = dict.fromkeys(JobRecord._fields)
    job = JobRecord(**(plain | {"args": "{}", "worker": "w-17", "started_at": 90_000_000}))  # type: ignore[arg-type]
    found = Candidate(job, ("web-3", "host-1"), claimable_at=30_000_000)
    for text in ("worker:w-17", "worker:web-3", "worker:host-*", "wait:1m", "wait:>30s"):
        assert matches(parse(text, now=NOW).root, found), text
    for text in ("worker:web", "wait:>1m"):
        assert not matches(parse(text, now=NOW).root, found), text


def _with_error(name: str | None) -> Candidate:
    plain = dict.fromkeys(JobRecord._fields)
    return Candidate(JobRecord(**(plain | {"args": "{}", "error_type": name})))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("error:PaymentDeclined", True),
        ("error:errors.PaymentDeclined", True),
        ("error:shop.errors.PaymentDeclined", True),
        ("error:Payment*", True),
        ("error:KeyError,PaymentDeclined", True),
        ("error:*Declined", True),
        ("error:Declined", False),
        ("error:rors.PaymentDeclined", False),
        ("error:Declin*", False),
        ("-error:PaymentDeclined", False),
        ("error:paymentdeclined", False),
    ],
)
def test_an_error_class_is_found_with_and_without_its_module(text: str, found: bool) -> None:
    assert matches(parse(text, now=NOW).root, _with_error("shop.errors.PaymentDeclined")) is found
    assert not matches(parse("error:PaymentDeclined", now=NOW).root, _with_error(None))


ID = "019a8f3c-1b2d-7e4f-8a9b-0c1d2e3f4a5b"


@pytest.mark.parametrize(
    "text", [ID[-12:], f"id:{ID[-12:]}", ID[-12:].upper(), ID[:8], f"id:{ID}", f"id:{ID[:8]}*"]
)
def test_an_id_is_found_by_its_ends(text: str) -> None:
    plain = dict.fromkeys(JobRecord._fields)
    found = Candidate(JobRecord(**(plain | {"args": "{}", "type": "t", "id": ID})))  # type: ignore[arg-type]
    root = parse(text, now=NOW).root
    assert matches(root, found)
    assert may_match(root, ID, "failed")
    other = Candidate(found.job._replace(id=ID[:-1] + "0"))
    assert text in (ID[:8], f"id:{ID[:8]}*") or not matches(root, other)


def test_a_search_by_the_end_of_an_id_is_reported_as_unindexed() -> None:
    assert parse(f"id:{ID[-12:]}", now=NOW).unindexed == ("id",)
    assert parse(f"id:{ID}", now=NOW).unindexed == ()
