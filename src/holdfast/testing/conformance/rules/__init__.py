"""All parts of the kit, joined."""

from holdfast.testing.conformance.rules.claim import ClaimRules
from holdfast.testing.conformance.rules.insert import InsertRules


class StoreConformance(InsertRules, ClaimRules):
    """Every rule for a store. Give it `make_store`."""


__all__ = ["StoreConformance"]
