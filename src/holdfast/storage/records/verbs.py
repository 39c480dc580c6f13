"""Gives a store the verbs of all records."""

from __future__ import annotations

from holdfast.storage.records.figures import FigureReader
from holdfast.storage.records.leaders import LeaseReader, LeaseWriter
from holdfast.storage.records.meta import MetaWriter
from holdfast.storage.records.queues import QueueWriter
from holdfast.storage.records.session import ReadSession, WriteSession
from holdfast.storage.records.workers import WorkerReader, WorkerWriter


class RecordVerbs:
    """The verbs of the records, as those of the store that is derived from this."""

    def __init__(self, reading: ReadSession, writing: WriteSession) -> None:
        workers = WorkerWriter(writing)
        self.register_worker = workers.register_worker
        self.heartbeat = workers.heartbeat
        self.drain_worker = workers.drain_worker
        self.retire_worker = workers.retire_worker
        self.publish_types = workers.publish_types
        queues = QueueWriter(writing)
        self.pause_queue = queues.pause_queue
        self.resume_queue = queues.resume_queue
        leases = LeaseWriter(writing)
        self.acquire_lease = leases.acquire_lease
        self.release_lease = leases.release_lease
        self.prove = MetaWriter(writing).prove

        known_workers = WorkerReader(reading)
        self.workers = known_workers.workers
        self.types = known_workers.types
        known_leases = LeaseReader(reading)
        self.leaders = known_leases.leaders
        self.led_until = known_leases.led_until
        figures = FigureReader(reading)
        self.buckets = figures.buckets
        self.outcomes = figures.outcomes
