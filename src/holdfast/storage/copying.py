"""Copies all that one store holds into another, of any backend, without loss or duplicates.

Both stores are read-only while rows are copied, so no row changes behind the copy and no program works on half of it. An
interrupted copy leaves both read-only with its id, and resumes when it is started again between the same two; a repeated
load changes nothing. The target is opened only after every part was read back and compared, and after the source was
marked as left, so there is never a moment in which both are open.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from holdfast.core.dump import Key, Part, Row, Seal, WholeJob, key_of, tags_of
from holdfast.core.errors import Conflict, HoldfastError
from holdfast.core.outcome import Settlement
from holdfast.core.states import Verb
from holdfast.storage.protocol import Store
from holdfast.storage.verbs.attempts import LOST

BATCH_SIZES: Final = {Part.JOBS: 500, Part.SAVED: 50, Part.LOGS: 1_000, Part.HISTORY: 2_000}
"""Rows in one transaction: each may be large (arguments 256 KiB, a saved state 1 MiB, a console line 8 KiB)."""

FEW: Final = 500
GIVEN_BACK: Final = "store moved"


class CopyDiffers(HoldfastError):
    """What was read back from the target is not what the source holds."""

    code = "copy_differs"
    title = "The copy differs"


class Total(NamedTuple):
    """What was found equal in both stores: how many rows, and their SHA-256."""

    rows: int
    checksum: str


class Move:
    """One copy between two open stores. `names` are those of source and target, for people; they show no password."""

    def __init__(self, source: Store, target: Store, names: tuple[str, str], copy_id: str) -> None:
        self._source = source
        self._target = target
        self._name, self._target_name = names
        self._seal = self._resumed() or self._fresh(copy_id)

    @property
    def begun(self) -> bool:
        """Whether the source is sealed already, by this copy when it was begun before."""
        return self._source.sealed() is not None

    def seal(self) -> int:
        """Seal both stores, the target first; answers how many jobs were being processed and have been given back, to go on
        in the target from their saved states."""
        with self._target.transaction(sealed=True):
            words = (
                f"This store is being filled from {self._name}, which has not ended; begin the copy again."
            )
            self._target.seal(Seal(self._seal.copy, words))
        if self.begun:
            return 0
        held = [one for worker in self._source.workers() for one in self._source.claims_of(worker.id)]
        with self._source.transaction(sealed=True):
            self._source.rescue()
            back = self._source.settle(
                [Settlement(seq, token, Verb.RELEASE, GIVEN_BACK) for seq, token in held]
            )
            self._source.aggregate_events(sys.maxsize)
            self._source.seal(self._seal)
        return len(back) - back.count(LOST)

    def copy(self, told: Callable[[Part, int], None]) -> None:
        """Load every part into the target; `told` hears how many rows of a part are there."""
        for part in Part:
            done = 0
            for rows in _pages(self._source, part):
                with self._target.transaction(sealed=True):
                    self._target.load(part, rows)
                done += len(rows)
                told(part, done)

    def verify(self) -> dict[Part, Total]:
        """Read every part from both stores and compare. Raises CopyDiffers; both stay sealed then."""
        totals: dict[Part, Total] = {}
        for part in Part:
            totals[part], found = _total(self._source, part), _total(self._target, part)
            if found != totals[part]:
                raise CopyDiffers(
                    f"{self._target_name} holds {found.rows} rows of {part}, {self._name} {totals[part].rows}, and they are "
                    "not the same. Both stay closed for writing. Begin again with an empty target, or give up: --abort"
                )
        return totals

    def finish(self) -> None:
        """Mark the source as left for good, then open the target for work."""
        words = f"This store has moved to {self._target_name}; set HOLDFAST_DATABASE_URL to it."
        with self._source.transaction(sealed=True):
            self._source.seal(self._seal.left(words))
        with self._target.transaction(sealed=True):
            self._target.seal(None)

    def _resumed(self) -> Seal | None:
        """The seal of this copy when it was begun before; refuses what cannot be gone on with."""
        ours, theirs = self._source.sealed(), self._target.sealed()
        if ours is None or ours.of_same_copy(theirs):
            return ours
        if ours.moved:
            raise Conflict(f"Nothing is copied. {ours.words}")
        self._refuse_unless_empty()
        return ours

    def _fresh(self, copy_id: str) -> Seal:
        self._refuse_unless_empty()
        words = (
            f"This store is being copied to {self._target_name}; nothing can be stored until that has ended."
        )
        return Seal(copy_id, words)

    def _refuse_unless_empty(self) -> None:
        for part in Part:
            if self._target.dump(part, after=None, limit=1):
                raise Conflict(
                    f"{self._target_name} is not empty (it holds {part}) and is no unfinished copy of {self._name}. "
                    "Choose a new database; nothing was changed."
                )


def give_up(source: Store) -> None:
    """Open a source again whose copy has not ended. What has arrived in the target is of no use: it stays closed. Raises
    Conflict when nothing is under way, or when the store has moved."""
    seal = source.sealed()
    if seal is None:
        raise Conflict("No copy is under way here; the store is open.")
    if seal.moved:
        raise Conflict(f"The copy has ended. {seal.words}")
    with source.transaction(sealed=True):
        source.seal(None)


def _pages(store: Store, part: Part) -> Iterator[list[Row]]:
    after: Key | None = None
    while rows := list(store.dump(part, after=after, limit=BATCH_SIZES.get(part, FEW))):
        yield rows
        after = key_of(rows[-1])


def _total(store: Store, part: Part) -> Total:
    count, checksum = 0, hashlib.sha256()
    for rows in _ordered(store, part):
        for row in rows:
            checksum.update(
                json.dumps(_plain(row), ensure_ascii=False).encode(errors="surrogatepass") + b"\n"
            )
        count += len(rows)
    return Total(count, checksum.hexdigest())


def _ordered(store: Store, part: Part) -> Iterator[list[Row]]:
    """Names stand in another order in each database; there are few of them."""
    if part in (Part.QUEUES, Part.TYPES):
        return iter([sorted((row for rows in _pages(store, part) for row in rows), key=key_of)])
    return _pages(store, part)


def _plain(row: Row) -> tuple[object, ...]:
    """The row as it is compared: tags are a list, however a database writes one."""
    if isinstance(row, WholeJob):
        tags = tags_of(row.job)
        kept = row.job if tags is None else row.job._replace(tags=None)
        return (*kept, tags, *row[1:])
    return tuple(row)
