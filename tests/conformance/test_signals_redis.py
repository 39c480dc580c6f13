"""Redis keeps every rule of signals."""

from __future__ import annotations

from tests.servers.brokers import ThroughAProxy, broker


class TestRedis(ThroughAProxy):
    def url(self) -> str:
        return broker("REDIS", "redis://127.0.0.1:6379")
