"""NATS keeps every rule of signals."""

from __future__ import annotations

from tests.servers.brokers import ThroughAProxy, broker


class TestNats(ThroughAProxy):
    def url(self) -> str:
        return broker("NATS", "nats://127.0.0.1:4222")
