"""Parses a stored traceback into frames: the user's own code open, libraries folded."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_FRAME = re.compile(
    r'^ *File "(?P<file>[^"\n]{1,500})", line (?P<line>\d{1,9}), in (?P<function>[^\n]{1,300})$'
)
_LIBRARY = re.compile(
    r"(?:site-packages|dist-packages)/(?P<name>[^/]+)|/lib/python[\d.]+/(?!site-packages/|dist-packages/)(?P<std>[^/.]+)|/(?P<own>holdfast)/"
)


@dataclass(frozen=True, slots=True)
class CallFrame:
    """One call in a traceback, with the source line that Python printed below it."""

    file: str
    line: int
    function: str
    source: str = ""

    @property
    def library(self) -> str:
        """The library that the file belongs to, or "" for the user's own code."""
        match = _LIBRARY.search(self.file.replace("\\", "/"))
        return (match["name"] or match["std"] or match["own"]) if match else ""


@dataclass(slots=True)
class Part:
    """Either one frame of the user's code, or successive frames of one library."""

    frames: list[CallFrame] = field(default_factory=list[CallFrame])
    library: str = ""

    @property
    def own(self) -> bool:
        return not self.library

    @property
    def file(self) -> str:
        return self.frames[0].file

    @property
    def line(self) -> int:
        return self.frames[0].line

    @property
    def function(self) -> str:
        return self.frames[0].function

    @property
    def source(self) -> str:
        return self.frames[0].source


def frames_of(traceback: str) -> list[CallFrame]:
    """The frames of the last exception in a printed traceback; at most the last 100."""
    found: list[CallFrame] = []
    lines = traceback.rpartition("Traceback (most recent call last):")[2].splitlines()
    for at, line in enumerate(lines):
        match = _FRAME.match(line)
        if match is None:
            continue
        below = lines[at + 1].strip() if at + 1 < len(lines) else ""
        source = "" if _FRAME.match(lines[at + 1] if below else "") else below
        found.append(CallFrame(match["file"], int(match["line"]), match["function"], source))
    return found[-100:]


def parts_of(traceback: str | None) -> list[Part]:
    """A traceback as the parts of its panel, outermost call first."""
    parts: list[Part] = []
    for frame in frames_of(traceback or ""):
        if frame.library and parts and parts[-1].library == frame.library:
            parts[-1].frames.append(frame)
        else:
            parts.append(Part([frame], frame.library))
    return parts
