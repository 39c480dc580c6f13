"""What users and the project itself can prove things with: a clock to turn, factories, a driver, the conformance kit."""

from holdfast.testing.clock import FakeClock
from holdfast.testing.driver import StoreDriver
from holdfast.testing.factories import new_job, type_row, worker_row

__all__ = ["FakeClock", "StoreDriver", "new_job", "type_row", "worker_row"]
