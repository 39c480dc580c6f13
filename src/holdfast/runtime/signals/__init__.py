"""How processes wake each other: one small promise (`protocol`), kept by files, by a broker or by looking at the store."""

from holdfast.runtime.signals.kinds import choose_signals
from holdfast.runtime.signals.options import SignalOptions, place_of
from holdfast.runtime.signals.protocol import Listener, Signals, ToldAtCommit
from holdfast.storage.topics import Topic

__all__ = [
    "Listener",
    "SignalOptions",
    "Signals",
    "ToldAtCommit",
    "Topic",
    "choose_signals",
    "place_of",
]
