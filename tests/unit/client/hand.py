"""A worker without a process, so that a test decides when a job starts and ends."""

from __future__ import annotations

from typing import Any

from holdfast import Holdfast
from holdfast.core.job import Claimed, ClaimRequest
from holdfast.core.outcome import Settlement
from holdfast.core.states import Verb
from holdfast.storage.writes import Claim, RegisterWorker, Settle
from holdfast.testing import worker_row


class Hand:
    """Does by hand, through the gateway, what a worker process would do."""

    def __init__(self, app: Holdfast) -> None:
        self._run = app.open().gateway.run
        types = tuple(kind.name for kind in app.registry)
        # so long that no test outlives it, since it sends no heartbeat
        self._run(RegisterWorker(worker_row("hand", types=types), lease=3600.0))
        self._types = frozenset(types)

    def claim(self, limit: int = 1) -> list[Claimed]:
        return self._run(Claim(ClaimRequest("hand", limit, self._types)))

    def start(self) -> Claimed:
        """The next job, which must be there."""
        (claimed,) = self.claim()
        return claimed

    def end(self, claimed: Claimed, verb: Verb = Verb.SUCCEED, **fields: Any) -> str:
        return self._run(Settle([Settlement(claimed.seq, claimed.token, verb, **fields)]))[0]
