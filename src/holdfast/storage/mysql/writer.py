"""All write verbs on one connection."""

from __future__ import annotations

from holdfast.storage.mysql.claim import ClaimVerbs
from holdfast.storage.mysql.copying import CopyingVerbs
from holdfast.storage.mysql.insert import InsertVerbs
from holdfast.storage.mysql.maintenance import MaintenanceVerbs
from holdfast.storage.mysql.settle import SettleVerbs


class MysqlWriter(InsertVerbs, ClaimVerbs, SettleVerbs, MaintenanceVerbs, CopyingVerbs):
    """The writing verbs of `holdfast.storage.protocol`. Not thread-safe: the gateway sees to that.

    A verb locks the rows that it may change, in the order of seq, decides, and writes a few statements for all of them, each
    with the guard written out: no `RETURNING` is needed, which only one of the two servers has."""
