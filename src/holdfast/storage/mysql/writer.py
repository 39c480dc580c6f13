"""This exists so that the writing verbs of the store are one object on one connection."""

from __future__ import annotations

from holdfast.storage.mysql.arrival import ArrivalVerbs
from holdfast.storage.mysql.claiming import ClaimingVerbs
from holdfast.storage.mysql.copying import CopyingVerbs
from holdfast.storage.mysql.ending import EndingVerbs
from holdfast.storage.mysql.fleet import FleetVerbs
from holdfast.storage.mysql.upkeep import UpkeepVerbs


class MysqlWriter(ArrivalVerbs, ClaimingVerbs, EndingVerbs, UpkeepVerbs, FleetVerbs, CopyingVerbs):
    """The writing verbs of `holdfast.storage.protocol`. Not thread-safe: the gateway sees to that.

    A verb locks the rows that it may change, in the order of seq, decides, and writes a few statements for all of them, each
    with the guard written out: no `RETURNING` is needed, which only one of the two servers has."""
