"""All parts of the kit, joined."""

from holdfast.testing.conformance.rules.claim import ClaimRules
from holdfast.testing.conformance.rules.commands import CommandRules
from holdfast.testing.conformance.rules.concurrency import ConcurrencyRules
from holdfast.testing.conformance.rules.copying import CopyingRules
from holdfast.testing.conformance.rules.history import HistoryRules
from holdfast.testing.conformance.rules.insert import InsertRules
from holdfast.testing.conformance.rules.insight import InsightRules
from holdfast.testing.conformance.rules.leases import LeaderRules
from holdfast.testing.conformance.rules.maintenance import UpkeepRules
from holdfast.testing.conformance.rules.report import ReportRules
from holdfast.testing.conformance.rules.rescue import RescueRules
from holdfast.testing.conformance.rules.search import SearchRules
from holdfast.testing.conformance.rules.settle import SettleRules
from holdfast.testing.conformance.rules.workers import FleetRules


class StoreConformance(
    ClaimRules,
    CommandRules,
    ConcurrencyRules,
    CopyingRules,
    FleetRules,
    HistoryRules,
    InsertRules,
    InsightRules,
    LeaderRules,
    ReportRules,
    SearchRules,
    SettleRules,
    RescueRules,
    UpkeepRules,
):
    """Every rule for a store. Give it `make_store`."""


__all__ = ["StoreConformance"]
