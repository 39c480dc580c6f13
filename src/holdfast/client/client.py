"""The client: what programs, pages, REST and the command line can ask of the system, in parts."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from holdfast.client import former_names
from holdfast.client.events import Events
from holdfast.client.figures import Figures
from holdfast.client.jobs import Jobs
from holdfast.client.queues import Queues
from holdfast.client.registry import Registry
from holdfast.client.transactions import Transactions
from holdfast.client.type_lookup import TypeLookup
from holdfast.client.types import Types
from holdfast.client.workers import Workers
from holdfast.core.principal import Principal
from holdfast.core.settings import Settings
from holdfast.runtime.signals import Signals
from holdfast.storage.gateway import Gateway
from holdfast.storage.protocol import Reader
from holdfast.storage.writes import Prove


class Client:
    """Everything that can be asked of one store, in parts. Thread-safe. What a part returns is committed."""

    def __init__(
        self, settings: Settings, reader: Reader, gateway: Gateway, signals: Signals, registry: Registry
    ) -> None:
        self._gateway = gateway
        lookup = TypeLookup(registry, reader, default_retries=settings.retries)
        self.events = Events(reader, signals)
        self.jobs = Jobs(reader, gateway, Transactions(reader, gateway, signals), lookup, self.events)
        self.queues = Queues(reader, gateway)
        self.workers = Workers(reader, gateway)
        self.types = Types(lookup, reader)
        self.figures = Figures(reader)

    def acting_as(self, principal: Principal) -> Client:
        """The same client, but every write records this principal as the one who acts."""
        acting = copy(self)
        acting.jobs = self.jobs.acting_as(principal)
        acting.queues = self.queues.acting_as(principal)
        return acting

    if not TYPE_CHECKING:  # names that are on their way out have no types

        def __getattr__(self, name: str) -> Any:
            return former_names.find(self, name, former_names.CLIENT, "app.client")

    def check(self) -> None:
        """Make a write that changes nothing. Raises StorageUnavailable when the database takes no writes."""
        self._gateway.run(Prove())
