"""The suite that a store must pass. A store author writes one class, and every rule is checked:

class TestMyStore(StoreConformance):
    def make_store(self, folder: Path, clock: FakeClock) -> Store:
        return MyStore(folder / "test.db", clock=clock)
"""

import pytest

pytest.register_assert_rewrite(
    f"{__name__}.rules"
)  # before the import, so that a failing assert explains itself

from holdfast.testing.conformance.rules import StoreConformance  # noqa: E402 - see above

__all__ = ["StoreConformance"]
