"""What needs a person: the one judgement of the whole system that pages, REST and the command line repeat.

It decides from `Facts` alone, so each rule is a line of a table in its test. Times are microseconds since the epoch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from holdfast.core.facts import Facts, Paused, Waiting, Worker
from holdfast.core.sizes import middle

SECOND = 1_000_000
HANDOVER = 5 * SECOND
"""A scheduler that has just resigned is followed within this time."""
OVERDUE = 60 * SECOND
"""A due job that a scheduler has not enqueued for so long is a matter for a person."""
WAIT_OBJECTIVE = 120
"""Seconds after which the oldest wait of a queue is called too long."""
MANY_ATTEMPTS, MANY_FAIL = 10, 0.2
"""The share of failures is reported from this many attempts, and above this share."""
MAX_OF_A_KIND = 5
"""More concerns of one kind are folded into the last one."""
MAX_NAME, MAX_ERROR, MAX_REASON = 60, 40, 200
"""Letters of a text in a sentence; its middle is left out above."""
START_WORKER = "Start a worker: holdfast worker --app module:app"


class Kind(StrEnum):
    """What a concern is about, in the order in which they are reported."""

    NO_WORKER = "no_worker"
    NO_SCHEDULER = "no_scheduler"
    UNSERVED = "unserved"
    FAILING_TYPE = "failing_type"
    QUEUE_PAUSED = "queue_paused"
    EXHAUSTED_RETRIES = "exhausted_retries"
    WORKER_LOST = "worker_lost"
    OVERDUE = "overdue"
    QUEUE_BEHIND = "queue_behind"
    FAILURES = "failures"


@dataclass(frozen=True, slots=True)
class Concern:
    """One thing that needs a person: what, since when, and the one action that helps. `queues` and `types` are those it is
    about; `subject` names the one, None where it is about the whole. `capped`: it is about at least `jobs` jobs. `retry`: to
    retry its failed jobs is likely to help."""

    kind: Kind
    title: str
    detail: str
    action: str
    since: int | None = None
    subject: str | None = None
    queues: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    jobs: int = 0
    capped: bool = False
    retry: bool = False

    @property
    def text(self) -> str:
        """The full message."""
        return f"{self.title} {self.detail}".strip()


def judge(facts: Facts) -> list[Concern]:
    """All concerns, what matters most first. An empty list is what "all quiet" means."""
    concerns = [
        *_no_worker(facts),
        *_no_scheduler(facts),
        *_folded(_unserved(facts), "more groups of jobs have no worker"),
        *_folded(_failing(facts), "more types fail every time"),
        *_folded(_paused(facts), "more queues are paused"),
        *_folded(_exhausted(facts), "more types have jobs without attempts left"),
        *_folded(_lost(facts), "more workers are lost"),
        *_overdue(facts),
        *_folded(_behind(facts), "more queues fall behind"),
    ]
    failing = any(concern.kind is Kind.FAILING_TYPE for concern in concerns)
    return concerns if failing else [*concerns, *_failures(facts)]


class About(Protocol):
    """A concern, or its view."""

    @property
    def kind(self) -> str: ...
    @property
    def queues(self) -> Sequence[str]: ...
    @property
    def types(self) -> Sequence[str]: ...


C = TypeVar("C", bound=About)


def of_queue(concerns: Iterable[C], name: str, *, waits: bool) -> C | None:
    """The concern about a queue, in which jobs wait or not: its pause first, since everything else waits for it."""
    named = [one for one in concerns if name in one.queues or (waits and one.kind == Kind.NO_WORKER)]
    return next((one for one in named if one.kind == Kind.QUEUE_PAUSED), next(iter(named), None))


def of_type(concerns: Iterable[C], name: str, *, waits: bool) -> C | None:
    """The concern about a type, whose jobs wait or not."""
    return next(
        (one for one in concerns if name in one.types or (waits and one.kind == Kind.NO_WORKER)), None
    )


def healed(facts: Facts) -> list[Worker]:
    """The lost workers whose jobs all continue elsewhere, newest first: reported in one line, not as a concern."""
    gone = [worker for worker in facts.workers if worker.state == "lost" and not worker.busy]
    return sorted(gone, key=lambda worker: -(worker.gone_at or 0))


def headline(kinds: Sequence[str]) -> str:
    """A short summary of the kinds of concerns."""
    if not kinds:
        return "All quiet"
    if kinds[0] == Kind.NO_WORKER:
        return "Nothing is running"
    names = ("One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
    count = len(kinds)
    many = names[count - 1] if count <= len(names) else str(count)
    return f"{many} thing{'s need' if count > 1 else ' needs'} attention"


def why_waits(facts: Facts, queue: str, type_: str, *, scheduled: bool = False) -> str:
    """Why a job will not start, when there is more to say than that it waits for its turn or its time."""
    if scheduled:
        gone = bool(_no_scheduler(facts))
        return "No scheduler is running. The job is kept and is enqueued as soon as one does." if gone else ""
    kept = "The job is kept and starts as soon as one does."
    for paused in facts.paused:
        if paused.queue == queue:
            said = f"Queue {middle(queue, MAX_NAME)} is paused {_who_and_why(paused)}".strip()
            return f"{said}. The job starts when someone resumes the queue."
    if not facts.live:
        return f"No worker is running. {kept}"
    unserved = _who_lacks(facts, queue, type_)
    return f"{unserved} {kept}" if unserved else ""


# -- the rules --------------------------------------------------------------------------------------------------------------


def _no_worker(facts: Facts) -> list[Concern]:
    if facts.live:
        return []
    draining = any(worker.state == "draining" for worker in facts.workers)
    waits = (
        f"{_jobs(facts.enqueued)} {'is' if facts.enqueued == 1 else 'are'} queued and none will start."
        if facts.enqueued
        else "Jobs are kept until one starts."
    )
    lost = sorted((w for w in facts.workers if w.state == "lost"), key=lambda worker: -(worker.gone_at or 0))
    last = f" The last one was {middle(lost[0].name, MAX_NAME)}." if lost and not draining else ""
    since = None
    if not draining:
        known = [worker.gone_at for worker in lost if worker.gone_at is not None]
        since = max(known, default=min((waiting.since for waiting in facts.waiting), default=None))
    title = "Every worker is draining." if draining else "No worker is running."
    return [Concern(Kind.NO_WORKER, title, waits + last, START_WORKER, since, jobs=facts.enqueued)]


def _no_scheduler(facts: Facts) -> list[Concern]:
    left_just_now = facts.led_until is not None and facts.now - facts.led_until < HANDOVER
    if facts.has_scheduler or left_just_now:
        return []
    overdue = facts.next_due if facts.next_due is not None and facts.next_due < facts.now else None
    detail = "Scheduled jobs and retries will not start, and jobs of lost workers are not requeued."
    if facts.scheduled:
        detail = (
            f"{_jobs(facts.scheduled)} that {'is' if facts.scheduled == 1 else 'are'} scheduled or to be retried will not "
            f"start when due{'' if overdue is None else '; some are overdue'}."
        )
    since = facts.led_until if facts.led_until is not None else overdue
    action = "Start a worker, holdfast up, or only it: holdfast scheduler --app module:app"
    return [
        Concern(Kind.NO_SCHEDULER, "No scheduler is running.", detail, action, since, jobs=facts.scheduled)
    ]


def _unserved(facts: Facts) -> list[Concern]:
    if not facts.live:
        return []  # `_no_worker` covers it
    groups: dict[str, list[Waiting]] = defaultdict(list)
    for waiting in facts.waiting:
        if missing := _who_lacks(facts, waiting.queue, waiting.type):
            groups[missing].append(waiting)
    return [_group(title, rows, facts) for title, rows in groups.items()]


def _who_lacks(facts: Facts, queue: str, type_: str) -> str:
    """Which worker is missing for jobs of a queue and type; "" when some live worker serves both together."""
    if any(worker.listens(queue) and worker.knows(type_) for worker in facts.live):
        return ""
    if not any(worker.knows(type_) for worker in facts.live):
        return f"No worker knows {middle(type_, MAX_NAME)}."
    if not any(worker.listens(queue) for worker in facts.live):
        return f"No worker listens to queue {middle(queue, MAX_NAME)}."
    return f"No worker takes {middle(type_, MAX_NAME)} from queue {middle(queue, MAX_NAME)}."


def _group(title: str, rows: list[Waiting], facts: Facts) -> Concern:
    queues, types = (
        tuple(dict.fromkeys(names)) for names in zip(*((w.queue, w.type) for w in rows), strict=True)
    )
    known = any(worker.knows(types[0]) for worker in facts.live)
    listens = any(worker.listens(queues[0]) for worker in facts.live)
    subject = types[0] if not known or listens else queues[0]
    if not known:
        action = "Start a worker whose app contains this type"
    else:
        action = f"Start a worker for this queue: holdfast worker --queue {middle(queues[0], MAX_NAME)} --app module:app"
    jobs = sum(row.jobs for row in rows)
    capped = any(row.capped for row in rows)
    where = f" in queue {middle(queues[0], MAX_NAME)}" if len(queues) == 1 and not known else ""
    detail = f"{jobs:,}{'+' if capped else ''} {'job waits' if jobs == 1 else 'jobs wait'}{where}."
    since = min(row.since for row in rows)
    return Concern(Kind.UNSERVED, title, detail, action, since, subject, queues, types, jobs, capped)


def _failing(facts: Facts) -> list[Concern]:
    return [
        Concern(
            Kind.FAILING_TYPE,
            f"{middle(outcome.type, MAX_NAME)} fails every time.",
            f"{outcome.failing:,} of {outcome.failing:,} attempts"
            + (
                f", the newest with {middle(error.rpartition('.')[2], MAX_ERROR)}."
                if (error := facts.errors.get(outcome.type))
                else "."
            ),
            "Look at its errors, mend the code or what it needs, then retry its jobs",
            outcome.since,
            outcome.type,
            types=(outcome.type,),
            jobs=outcome.failing,
        )
        for outcome in facts.outcomes
        if outcome.fails_always
    ]


def _who_and_why(paused: Paused) -> str:
    who = f"by {middle(paused.by, MAX_NAME)}" if paused.by else ""
    why = f"“{middle(paused.reason, MAX_REASON)}”" if paused.reason else ""
    return ": ".join(part for part in (who, why) if part)


def _paused(facts: Facts) -> list[Concern]:
    concerns: list[Concern] = []
    for paused in facts.paused:
        said, waits = _who_and_why(paused), _wait(paused.jobs)
        title = f"Queue {middle(paused.queue, MAX_NAME)} is paused{'' if said else '.'}"
        concerns.append(
            Concern(
                Kind.QUEUE_PAUSED,
                title,
                f"{said}. {waits}" if said else waits,
                "Resume the queue when its reason is gone",
                paused.since,
                paused.queue,
                queues=(paused.queue,),
                jobs=paused.jobs,
            )
        )
    return concerns


def _exhausted(facts: Facts) -> list[Concern]:
    concerns: list[Concern] = []
    for one in facts.exhausted:
        has = "has" if one.jobs == 1 else "have"
        jobs = _jobs(one.jobs, capped=one.capped)
        error = f" with {middle(one.error.rpartition('.')[2], MAX_ERROR)}" if one.error else ""
        later = "later attempts succeeded" if one.recovered else "no attempt has succeeded since"
        concerns.append(
            Concern(
                Kind.EXHAUSTED_RETRIES,
                f"{jobs} of {middle(one.type, MAX_NAME)} {has} no attempts left.",
                f"The newest failed{error}; {later}.",
                "Retry these jobs: their type succeeds again"
                if one.recovered
                else "Look at their errors, and retry them once attempts of this type succeed",
                one.at,
                one.type,
                types=(one.type,),
                jobs=one.jobs,
                capped=one.capped,
                retry=one.recovered,
            )
        )
    return concerns


def _lost(facts: Facts) -> list[Concern]:
    return [
        Concern(
            Kind.WORKER_LOST,
            f"Worker {middle(worker.name, MAX_NAME)} is lost.",
            f"{_jobs(worker.busy)} of it {'continues' if worker.busy == 1 else 'continue'} elsewhere once the scheduler has "
            "requeued them.",
            "See what its host says; start it again",
            worker.gone_at,
            worker.name,
            jobs=worker.busy,
        )
        for worker in facts.workers
        if worker.state == "lost" and worker.busy
    ]


def _overdue(facts: Facts) -> list[Concern]:
    due = facts.next_due
    if not facts.has_scheduler or due is None or facts.now - due < OVERDUE:
        return []
    detail = "A scheduler leads, but has not enqueued a job that is due."
    return [Concern(Kind.OVERDUE, "Due jobs do not start.", detail, "See the log of the scheduler", due)]


def _behind(facts: Facts) -> list[Concern]:
    paused = {one.queue for one in facts.paused}
    late: dict[str, list[Waiting]] = defaultdict(list)
    for waiting in facts.waiting:
        served = facts.live and not _who_lacks(facts, waiting.queue, waiting.type)
        if served and waiting.queue not in paused:
            late[waiting.queue].append(waiting)
    concerns: list[Concern] = []
    for queue, rows in late.items():
        since = min(row.since for row in rows)
        if facts.now - since <= WAIT_OBJECTIVE * SECOND:
            continue
        jobs, capped = sum(row.jobs for row in rows), any(row.capped for row in rows)
        title = f"Queue {middle(queue, MAX_NAME)} falls behind."
        detail = f"{_wait(jobs, capped=capped)} The objective is {WAIT_OBJECTIVE // 60} min."
        action = "Give the queue more slots or workers"
        concerns.append(
            Concern(Kind.QUEUE_BEHIND, title, detail, action, since, queue, (queue,), (), jobs, capped)
        )
    return concerns


def _failures(facts: Facts) -> list[Concern]:
    failed = sum(outcome.failed for outcome in facts.outcomes)
    ended = failed + sum(outcome.succeeded for outcome in facts.outcomes)
    if failed < MANY_ATTEMPTS or failed / ended <= MANY_FAIL:
        return []
    title, detail = (
        f"{100 * failed / ended:.0f} % of the attempts fail.",
        f"{failed:,} of {ended:,} in the last hour.",
    )
    return [Concern(Kind.FAILURES, title, detail, "See the failed jobs", jobs=failed)]


# -- text -------------------------------------------------------------------------------------------------------------------


def _folded(concerns: list[Concern], text: str) -> list[Concern]:
    """The most serious of a kind, and the others as one."""
    concerns.sort(key=lambda concern: -concern.jobs)
    if len(concerns) <= MAX_OF_A_KIND:
        return concerns
    kept, rest = concerns[: MAX_OF_A_KIND - 1], concerns[MAX_OF_A_KIND - 1 :]
    since = min((concern.since for concern in rest if concern.since is not None), default=None)
    folded = Concern(
        rest[0].kind,
        f"{len(rest):,} {text}.",
        "",
        rest[0].action,
        since,
        queues=tuple(dict.fromkeys(name for concern in rest for name in concern.queues)),
        types=tuple(dict.fromkeys(name for concern in rest for name in concern.types)),
        jobs=sum(concern.jobs for concern in rest),
        capped=any(concern.capped for concern in rest),
    )
    return [*kept, folded]


def _jobs(count: int, *, capped: bool = False) -> str:
    return f"{count:,}{'+' if capped else ''} job{'' if count == 1 else 's'}"


def _wait(count: int, *, capped: bool = False) -> str:
    if not count:
        return "No job waits in it."
    return f"{_jobs(count, capped=capped)} wait{'s' if count == 1 else ''}."
