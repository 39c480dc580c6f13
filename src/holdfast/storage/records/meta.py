"""Single values of a store."""

from __future__ import annotations

from holdfast.storage.records.session import WriteSession


class MetaWriter:
    """`prove` of `MaintenanceWrites`."""

    def __init__(self, session: WriteSession) -> None:
        self._session = session
        self._set = session.dialect.upsert("meta", ("name", "value"), key=("name",))

    def prove(self) -> None:
        self._session.write(self._set, ("proved", str(self._session.now())))
