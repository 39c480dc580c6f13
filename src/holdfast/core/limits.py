"""This exists so that what may be stored is decided once, before any store sees it: strict JSON, bounded, the same
everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, cast

from holdfast.core.errors import InvalidInput, Problem, TooLarge

MAX_ARGS = 256 * 1024
MAX_RESULT = 1024 * 1024
MAX_SAVED = 1024 * 1024
MAX_TRACEBACK = 32 * 1024
MAX_LOG_LINE = 8 * 1024
MAX_LOG_LEVEL = 20
MAX_LOG_LINES = 100_000
MAX_HISTORY = 500  # newest rows of a job's history that are kept, beside its first one
HISTORY_CLAIMS = 50  # a job that has been claimed so many times more may have too many
MAX_DEPTH = 64
MAX_INT_BITS = 14_284  # 4,300 decimal digits, the most that CPython reads back from text
MAX_NAME = 200
MAX_TAGS = 32
MAX_REASON = 1_000

_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]+")


def check_json(value: Any, *, what: str) -> None:
    """Raise InvalidInput, with the place, when `value` is not strict JSON: NaN, lone surrogates, NUL, depth > 64, odd
    types."""
    stack: list[tuple[Any, tuple[str | int, ...], int]] = [(value, (what,), 0)]
    while stack:
        item, loc, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise InvalidInput(
                f"{what}: nested deeper than {MAX_DEPTH} levels", [Problem(loc[:8], "nested too deep")]
            )
        if isinstance(item, str):
            check_text(item, loc=loc)
        elif item is None or isinstance(item, bool):
            continue
        elif isinstance(item, int):
            if item.bit_length() > MAX_INT_BITS:
                raise InvalidInput(f"{what}: a number has too many digits", [Problem(loc, "too many digits")])
        elif isinstance(item, float):
            if item != item or item in (float("inf"), float("-inf")):
                raise InvalidInput(
                    f"{what}: NaN and Infinity are not JSON", [Problem(loc, "not a finite number")]
                )
        elif isinstance(item, dict):
            for key, inner in cast(dict[object, Any], item).items():
                if not isinstance(key, str):
                    raise InvalidInput(f"{what}: keys must be text", [Problem(loc, "a key is not text")])
                check_text(key, loc=loc)
                stack.append((inner, (*loc, key), depth + 1))
        elif isinstance(item, (list, tuple)):
            items = cast(Sequence[Any], item)
            stack.extend((inner, (*loc, index), depth + 1) for index, inner in enumerate(items))
        else:
            raise InvalidInput(
                f"{what}: {type(item).__name__} is not JSON",
                [Problem(loc, f"{type(item).__name__} is not JSON")],
            )


def check_text(text: str, *, loc: tuple[str | int, ...]) -> None:
    """Raise InvalidInput when text holds NUL or a lone surrogate, which not every database can keep."""
    if "\x00" in text:
        raise InvalidInput(f"{loc[0]}: the character NUL cannot be stored", [Problem(loc, "contains NUL")])
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            problem = Problem(loc, "contains a lone surrogate")
            raise InvalidInput(f"{loc[0]}: a lone surrogate is not text", [problem]) from None


def check_name(text: str, *, loc: tuple[str | int, ...], limit: int = MAX_NAME) -> str:
    """A queue, type, tag, owner or key: 1 to `limit` characters, none of them a control character. Returned as it came."""
    if not text or len(text) > limit:
        raise InvalidInput(
            f"{loc[-1]}: must have 1 to {limit} characters", [Problem(loc, f"1 to {limit} characters")]
        )
    if not _NAME.fullmatch(text):
        raise InvalidInput(
            f"{loc[-1]}: control characters are not allowed", [Problem(loc, "control character")]
        )
    return text


def dump_json(value: Any, *, what: str, limit: int) -> str:
    """Strict, compact JSON text of at most `limit` bytes; raises InvalidInput or TooLarge with the place and the reason."""
    check_json(value, what=what)
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return check_size(text, what=what, limit=limit)


def check_size(text: str, *, what: str, limit: int) -> str:
    """The text, or TooLarge when it is longer than `limit` bytes."""
    size = len(text) if text.isascii() else len(text.encode("utf-8"))
    if size > limit:
        message = f"{what}: {size:,} bytes, at most {limit:,} may be stored; keep large data elsewhere and pass its place"
        raise TooLarge(message, [Problem((what,), f"{size} bytes, limit {limit}")])
    return text


def cut_middle(text: str, limit: int) -> str:
    """At most `limit` characters: head and tail kept, the number of elided characters said between them."""
    if len(text) <= limit:
        return text
    half = (limit - 40) // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters elided …\n{text[-half:]}"


def clean_text(text: str, limit: int) -> str:
    """Text from outside our control (log lines, exception messages), made storable: never refused, only mended and cut."""
    mended = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return cut_middle(mended, limit)
