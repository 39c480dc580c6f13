"""What may be stored: strict JSON, text, names and sizes, decided once for every store."""

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
MAX_DIGITS = 4_300  # of a whole number, the most that CPython reads back from text
MAX_INT_BITS = 14_284  # of a whole number that has no more digits
MAX_NAME = 200
MAX_KEY = 500
MAX_TAGS = 32
MAX_REASON = 1_000

_MANY_DIGITS = re.compile(rf"[0-9]{{{MAX_DIGITS + 1}}}")
_LARGE_EXPONENT = re.compile(r"[0-9][eE]\+?[0-9]{3}")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_INVISIBLE = re.compile(r"[\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")
"""Characters that turn the direction of text or cannot be seen: two names could look the same. U+200C and U+200D, which join
letters of several scripts and emoji, are not among them."""

LINE_LETTERS = r"[^\u0000-\u001f\u007f-\u009f\u2028\u2029]"
"""What a line is made of, as a regular expression of JSON Schema; a lone surrogate is no letter at all."""

_HIDDEN = r"\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
_SEEN = rf"[^\s\u0000-\u001f\u007f-\u009f\u2028\u2029{_HIDDEN}]"
NAME_PATTERN = rf"^(?!\.{{1,2}}$){_SEEN}(?:[^\u0000-\u001f\u007f-\u009f\u2028\u2029{_HIDDEN}]*{_SEEN})?$"
"""`check_name` as a regular expression of JSON Schema."""


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
    """The one rule for names of queues, types, owners, tags and steps; returned as it came. Raises InvalidInput.

    A name is one line that reads as what it is, and that an address can carry: no control or invisible characters, no
    blanks at its ends, and not "." or "..", which browsers and proxies take for a step in the path."""
    check_line(text, loc=loc, limit=limit)
    if text != text.strip():
        raise _refused(loc, "blanks at the ends are not allowed")
    if _INVISIBLE.search(text):
        raise _refused(loc, "invisible characters and marks of direction are not allowed")
    if text in (".", ".."):
        raise _refused(loc, f"{text!r} cannot be part of an address")
    return text


def check_line(text: str, *, loc: tuple[str | int, ...], limit: int) -> str:
    """One line of text, such as a reason or a key: 1 to `limit` characters, no control character. Returned as it came.
    Raises InvalidInput."""
    if not text or len(text) > limit:
        raise _refused(loc, f"must have 1 to {limit} characters")
    if _UNPRINTABLE.search(text):
        raise _refused(loc, "control characters are not allowed")
    return text


def _refused(loc: tuple[str | int, ...], message: str) -> InvalidInput:
    return InvalidInput(f"{loc[-1]}: {message}", [Problem(loc, message)])


def load_json(text: str, *, what: str) -> Any:
    """The value of stored JSON text. Raises InvalidInput, with the reason, for text that must not have been stored."""
    value = _decoded(text, what)
    if _may_not_be_strict(text) or _LARGE_EXPONENT.search(text):
        check_json(value, what=what)
    return value


def check_json_text(data: bytes, *, what: str, limit: int) -> str:
    """The text of JSON that another serializer has made. Raises InvalidInput, or TooLarge above `limit` bytes."""
    text = data.decode()
    if len(data) > limit:
        check_size(text, what=what, limit=limit)
    if _may_not_be_strict(text):
        check_json(_decoded(text, what), what=what)
    return text


def _may_not_be_strict(text: str) -> bool:
    """Whether JSON text has to be looked through. Spelled out, because this is asked of every job."""
    return (
        text.count("[") + text.count("{") > MAX_DEPTH
        or "NaN" in text
        or "Infinity" in text
        or "\\u" in text
        or (len(text) > MAX_DIGITS and _MANY_DIGITS.search(text) is not None)
    )


def _decoded(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidInput(f"{what}: not JSON: {error}", [Problem((what,), f"not JSON: {error}")]) from None
    except RecursionError:
        raise InvalidInput(f"{what}: nested too deep", [Problem((what,), "nested too deep")]) from None
    except ValueError:  # int() converts no more digits
        raise InvalidInput(
            f"{what}: a number has too many digits", [Problem((what,), "too many digits")]
        ) from None


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


def middle(text: str, limit: int) -> str:
    """A long text with its middle left out, so that both ends can be told apart."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (limit - 1 - head) :]}"


def clean_text(text: str, limit: int) -> str:
    """Text from outside our control (log lines, exception messages), made storable: never refused, only mended and cut."""
    mended = text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")
    return cut_middle(mended, limit)
