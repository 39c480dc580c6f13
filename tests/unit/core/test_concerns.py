"""What needs a person, as a table: the facts of one moment, and what is said of them."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from holdfast.core.concerns import (
    HANDOVER,
    MAX_OF_A_KIND,
    OVERDUE,
    WAIT_OBJECTIVE,
    Kind,
    headline,
    healed,
    judge,
    why_waits,
)
from holdfast.core.facts import FAILING_ATTEMPTS, Exhausted, Facts, Outcome, Paused, Waiting, Worker

NOW = 1_767_225_600_000_000
AGO = NOW - 9_000_000
LATE = NOW - (WAIT_OBJECTIVE + 1) * 1_000_000
ALL = Worker("w-1", "live", frozenset({"mail", "ocr"}))
MAILER = Worker("w-2", "live", frozenset({"mail"}), frozenset({"mails"}))
SCANNER = Worker("w-3", "live", frozenset({"ocr"}), frozenset({"scans"}))
DRAINING = replace(ALL, name="w-4", state="draining")
LOST = replace(ALL, name="w-5", state="lost", gone_at=AGO)
QUIET = Facts(NOW, workers=(ALL,))


def waiting(queue: str = "mails", type_: str = "mail", jobs: int = 2, since: int = AGO) -> Waiting:
    return Waiting(queue, type_, jobs, since)


CASES: dict[str, tuple[Facts, list[tuple[Kind, str | None, str, int | None]]]] = {
    "nothing at all": (QUIET, []),
    "jobs that a worker serves": (replace(QUIET, waiting=[waiting()]), []),
    "no worker": (
        Facts(NOW, waiting=[waiting()], enqueued=2),
        [(Kind.NO_WORKER, None, "No worker is running. 2 jobs are queued and none will start.", AGO)],
    ),
    "no worker, nothing waits": (
        Facts(NOW),
        [(Kind.NO_WORKER, None, "No worker is running. Jobs are kept until one starts.", None)],
    ),
    "the last worker is lost": (
        Facts(NOW, workers=(LOST,)),
        [
            (
                Kind.NO_WORKER,
                None,
                "No worker is running. Jobs are kept until one starts. The last one was w-5.",
                AGO,
            )
        ],
    ),
    "every worker drains": (
        Facts(NOW, workers=(DRAINING,), enqueued=1),
        [(Kind.NO_WORKER, None, "Every worker is draining. 1 job is queued and none will start.", None)],
    ),
    "no scheduler ever": (
        replace(QUIET, has_scheduler=False),
        [
            (
                Kind.NO_SCHEDULER,
                None,
                "No scheduler is running. Scheduled jobs and retries will not start, and jobs of lost workers are not "
                "requeued.",
                None,
            )
        ],
    ),
    "a scheduler that has left": (
        replace(QUIET, has_scheduler=False, led_until=NOW - HANDOVER, scheduled=3, next_due=AGO),
        [
            (
                Kind.NO_SCHEDULER,
                None,
                "No scheduler is running. 3 jobs that are scheduled or to be retried will not start when due; some are "
                "overdue.",
                NOW - HANDOVER,
            )
        ],
    ),
    "another scheduler takes the lease over": (
        replace(QUIET, has_scheduler=False, led_until=NOW - HANDOVER + 1),
        [],
    ),
    "a type that only jobs name": (
        replace(QUIET, waiting=[waiting("gpu", "train", 41), waiting()]),
        [(Kind.UNSERVED, "train", "No worker knows train. 41 jobs wait in queue gpu.", AGO)],
    ),
    "one type in two queues is one concern": (
        replace(QUIET, waiting=[waiting("a", "train", 1, NOW), waiting("b", "train", 2)]),
        [(Kind.UNSERVED, "train", "No worker knows train. 3 jobs wait.", AGO)],
    ),
    "a queue that no worker listens to": (
        replace(QUIET, workers=(MAILER,), waiting=[waiting("post", "mail", 1)]),
        [(Kind.UNSERVED, "post", "No worker listens to queue post. 1 job waits.", AGO)],
    ),
    "queue and type are served, but not together": (
        replace(QUIET, workers=(MAILER, SCANNER), waiting=[waiting("scans", "mail"), waiting()]),
        [(Kind.UNSERVED, "mail", "No worker takes mail from queue scans. 2 jobs wait.", AGO)],
    ),
    "only a draining worker knows the type": (
        replace(QUIET, workers=(SCANNER, DRAINING), waiting=[waiting("scans", "mail")]),
        [(Kind.UNSERVED, "mail", "No worker knows mail. 2 jobs wait in queue scans.", AGO)],
    ),
    "counting stopped": (
        replace(QUIET, waiting=[replace(waiting("gpu", "train", 10_000), capped=True)]),
        [(Kind.UNSERVED, "train", "No worker knows train. 10,000+ jobs wait in queue gpu.", AGO)],
    ),
    "a type that fails always": (
        replace(
            QUIET,
            outcomes=[Outcome("mail", 7, 65, 61, AGO), Outcome("ocr", 9, 1)],
            errors={"mail": "shop.errors.Timeout"},
        ),
        [
            (
                Kind.FAILING_TYPE,
                "mail",
                "mail fails every time. 61 of 61 attempts, the newest with Timeout.",
                AGO,
            )
        ],
    ),
    "failed jobs of a type that succeeds again": (
        replace(QUIET, exhausted=[Exhausted("mail", 61, AGO, "shop.errors.Timeout", recovered=True)]),
        [
            (
                Kind.EXHAUSTED_RETRIES,
                "mail",
                "61 jobs of mail have no attempts left. The newest failed with Timeout; later attempts succeeded.",
                AGO,
            )
        ],
    ),
    "a failed job of a type that has not succeeded since": (
        replace(QUIET, exhausted=[Exhausted("mail", 1, AGO)]),
        [
            (
                Kind.EXHAUSTED_RETRIES,
                "mail",
                "1 job of mail has no attempts left. The newest failed; no attempt has succeeded since.",
                AGO,
            )
        ],
    ),
    "more failed jobs than are counted": (
        replace(QUIET, exhausted=[Exhausted("mail", 10_000, AGO, "Timeout", recovered=True, capped=True)]),
        [
            (
                Kind.EXHAUSTED_RETRIES,
                "mail",
                "10,000+ jobs of mail have no attempts left. The newest failed with Timeout; later attempts succeeded.",
                AGO,
            )
        ],
    ),
    "too few attempts to say so": (
        replace(QUIET, outcomes=[Outcome("mail", 0, 2, FAILING_ATTEMPTS - 1, AGO)]),
        [],
    ),
    "many attempts fail, of no type all": (
        replace(QUIET, outcomes=[Outcome("mail", 30, 10), Outcome("ocr", 0, 1, 1, AGO)]),
        [(Kind.FAILURES, None, "27 % of the attempts fail. 11 of 41 in the last hour.", None)],
    ),
    "a paused queue": (
        replace(QUIET, paused=[Paused("mails", AGO, "ben", "gateway down", 41)]),
        [
            (
                Kind.QUEUE_PAUSED,
                "mails",
                "Queue mails is paused by ben: “gateway down”. 41 jobs wait.",
                AGO,
            )
        ],
    ),
    "a paused queue without who and why": (
        replace(QUIET, paused=[Paused("mails", AGO)]),
        [(Kind.QUEUE_PAUSED, "mails", "Queue mails is paused. No job waits in it.", AGO)],
    ),
    "a loss that has not healed": (
        replace(QUIET, workers=(ALL, replace(LOST, busy=1))),
        [
            (
                Kind.WORKER_LOST,
                "w-5",
                "Worker w-5 is lost. 1 job of it continues elsewhere once the scheduler has requeued them.",
                AGO,
            )
        ],
    ),
    "a loss that has healed": (replace(QUIET, workers=(ALL, LOST)), []),
    "due jobs are not enqueued": (
        replace(QUIET, next_due=NOW - OVERDUE),
        [
            (
                Kind.OVERDUE,
                None,
                "Due jobs do not start. A scheduler leads, but has not enqueued a job that is due.",
                NOW - OVERDUE,
            )
        ],
    ),
    "a job that was due a moment ago": (replace(QUIET, next_due=NOW - OVERDUE + 1), []),
    "a queue that falls behind": (
        replace(QUIET, waiting=[waiting(jobs=1_031, since=LATE)]),
        [
            (
                Kind.QUEUE_BEHIND,
                "mails",
                "Queue mails falls behind. 1,031 jobs wait. The objective is 2 min.",
                LATE,
            )
        ],
    ),
    "what waits long in a paused queue does not fall behind": (
        replace(QUIET, waiting=[waiting(since=LATE)], paused=[Paused("mails", AGO, jobs=2)]),
        [(Kind.QUEUE_PAUSED, "mails", "Queue mails is paused. 2 jobs wait.", AGO)],
    ),
    "what no worker serves does not fall behind": (
        replace(QUIET, waiting=[waiting("mails", "train", since=LATE)]),
        [(Kind.UNSERVED, "train", "No worker knows train. 2 jobs wait in queue mails.", LATE)],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_case_yields_its_concerns(case: str) -> None:
    facts, expected = CASES[case]
    assert [(one.kind, one.subject, one.text, one.since) for one in judge(facts)] == expected


@pytest.mark.parametrize("case", [case for case, (_, expected) in CASES.items() if expected])
def test_each_concern_has_the_one_action_and_is_no_quiet(case: str) -> None:
    concerns = judge(CASES[case][0])
    assert all(concern.action for concern in concerns)
    assert headline([concern.kind for concern in concerns]) != "All quiet"


def test_what_matters_most_comes_first() -> None:
    facts = Facts(
        NOW,
        has_scheduler=False,
        outcomes=[Outcome("mail", 0, 9, 9, AGO)],
        paused=[Paused("mails", AGO)],
        exhausted=[Exhausted("ocr", 1)],
        waiting=[waiting("gpu", "train")],
    )
    last = [Kind.FAILING_TYPE, Kind.QUEUE_PAUSED, Kind.EXHAUSTED_RETRIES]
    assert [concern.kind for concern in judge(facts)] == [Kind.NO_WORKER, Kind.NO_SCHEDULER, *last]
    with_worker = [concern.kind for concern in judge(replace(facts, workers=(ALL,)))]
    assert with_worker == [Kind.NO_SCHEDULER, Kind.UNSERVED, *last]


def test_a_retry_is_offered_once_later_attempts_succeed() -> None:
    rows = [Exhausted("mail", 2, AGO, recovered=True), Exhausted("ocr", 1, AGO)]
    assert [(c.subject, c.retry) for c in judge(replace(QUIET, exhausted=rows))] == [
        ("mail", True),
        ("ocr", False),
    ]


def test_a_count_that_stopped_early_is_marked_as_such() -> None:
    capped = replace(waiting("mails", "mail", 10_000, LATE), capped=True)
    facts = replace(
        QUIET,
        waiting=[capped, replace(capped, queue="gpu", type="train")],
        exhausted=[Exhausted("mail", 10_000, AGO, capped=True), Exhausted("ocr", 3, AGO)],
    )
    assert [(one.kind, one.jobs, one.capped) for one in judge(facts)] == [
        (Kind.UNSERVED, 10_000, True),
        (Kind.EXHAUSTED_RETRIES, 10_000, True),
        (Kind.EXHAUSTED_RETRIES, 3, False),
        (Kind.QUEUE_BEHIND, 10_000, True),
    ]
    assert judge(facts)[-1].detail == "10,000+ jobs wait. The objective is 2 min."
    many = judge(replace(QUIET, exhausted=[Exhausted(f"t{n}", n, AGO, capped=n == 1) for n in range(1, 8)]))
    assert [one.capped for one in many] == [False] * 4 + [True]


def test_many_of_a_kind_are_folded_and_none_is_left_out() -> None:
    rows = [waiting(f"q{n}", f"t{n}", n, AGO - n) for n in range(1, 12)]
    concerns = judge(replace(QUIET, waiting=rows))
    assert len(concerns) == MAX_OF_A_KIND
    assert [concern.subject for concern in concerns] == ["t11", "t10", "t9", "t8", None]
    assert concerns[-1].text == "7 more groups of jobs have no worker."
    assert {name for concern in concerns for name in concern.types} == {row.type for row in rows}
    assert concerns[-1].since == AGO - 7


@pytest.mark.parametrize(
    ("kinds", "words"),
    [
        ([], "All quiet"),
        ([Kind.OVERDUE], "One thing needs attention"),
        ([Kind.OVERDUE] * 3, "Three things need attention"),
        ([Kind.OVERDUE] * 12, "12 things need attention"),
        ([Kind.NO_WORKER, Kind.NO_SCHEDULER], "Nothing is running"),
    ],
)
def test_the_headline(kinds: list[Kind], words: str) -> None:
    assert headline(kinds) == words


def test_losses_that_healed_the_newest_first() -> None:
    older = replace(LOST, name="w-6", gone_at=AGO - 1)
    assert healed(replace(QUIET, workers=(ALL, older, LOST, replace(LOST, busy=1)))) == [LOST, older]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (QUIET, ""),
        (
            replace(QUIET, paused=[Paused("mails", AGO, "ben", "tea")]),
            "Queue mails is paused by ben: “tea”. The job starts when someone resumes the queue.",
        ),
        (Facts(NOW), "No worker is running. The job is kept and starts as soon as one does."),
        (
            replace(QUIET, workers=(SCANNER,)),
            "No worker knows mail. The job is kept and starts as soon as one does.",
        ),
        (
            replace(QUIET, workers=(MAILER, SCANNER)),
            "",
        ),
    ],
)
def test_why_a_job_does_not_start(facts: Facts, words: str) -> None:
    assert why_waits(facts, "mails", "mail") == words


def test_why_a_scheduled_job_will_not_start() -> None:
    assert why_waits(QUIET, "mails", "mail", scheduled=True) == ""
    gone = why_waits(replace(QUIET, has_scheduler=False), "mails", "mail", scheduled=True)
    assert gone == "No scheduler is running. The job is kept and is enqueued as soon as one does."


def test_a_long_name_keeps_both_its_ends() -> None:
    name = "a" * 100 + "z" * 100
    said = judge(replace(QUIET, waiting=[waiting("q", name)]))[0].text
    assert name not in said
    assert re.search(r"\ba+…z+\b", said)
