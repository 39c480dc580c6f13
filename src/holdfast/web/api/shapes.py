"""The types of texts and numbers that the API takes, as the OpenAPI document describes them. Validation is done below."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BeforeValidator, Field

from holdfast.core.duration import MAX_SECONDS
from holdfast.core.job import PRIORITY_RANGE
from holdfast.core.query import MAX_CHARS, STATES
from holdfast.core.sizes import LINE_LETTERS, MAX_NAME, MAX_REASON, NAME_PATTERN

Form = dict[str, Any]
"""A part of a JSON Schema."""

MAX_KEY: Final = 500
MAX_RETRIES: Final = 1_000
MAX_VALUES: Final = 64
MAX_REPEATED: Final = 12
"""How often one parameter of a filter may be repeated in an address; a comma list holds more."""

SORTS: Final = ("created", "run_at", "finished", "duration", "priority")

NAME: Final[Form] = {"minLength": 1, "maxLength": MAX_NAME, "pattern": NAME_PATTERN}
KEY: Final[Form] = {"minLength": 1, "maxLength": MAX_KEY, "pattern": f"^{LINE_LETTERS}+$"}
NOTE: Final[Form] = {"maxLength": MAX_REASON, "pattern": f"^{LINE_LETTERS}*$"}
SEARCH: Final[Form] = {"maxLength": MAX_CHARS, "format": "holdfast-search"}
EVENT_ID: Final[Form] = {"pattern": "^[0-9]{0,18}$"}
VALUE: Final[Form] = {"type": "string", "maxLength": MAX_NAME, "format": "holdfast-values"}
"""Names in a comma list, those with a comma in quotes."""
STATE: Final[Form] = {"type": "string", "pattern": f"^({'|'.join(STATES)})(,({'|'.join(STATES)})){{0,3}}$"}

# each unit has so many digits that three parts stay below 100 years
_PARTS = r"(([0-9]{1,3}w|[0-9]{1,4}d|[0-9]{1,5}h|[0-9]{1,7}(m|min)|[0-9]{1,9}(s|ms)) ?){1,3}"
DURATION: Final = rf"^([0-9]{{1,9}}|{_PARTS})$"
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def _as_time(value: Any) -> Any:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("must be a time in RFC 3339, for example 2026-11-20T14:00:00Z")
    return value


def _span(*others: str, above: bool = False) -> Form:
    """The forms of a duration: seconds, or text with units. `above`: zero is excluded."""
    number = {"type": "number", "exclusiveMinimum" if above else "minimum": 0, "maximum": MAX_SECONDS}
    text = {"type": "string", "pattern": f"^(?=.*[1-9]){DURATION[1:]}" if above else DURATION}
    return {"anyOf": [number, text, *({"const": other} for other in others), {"type": "null"}]}


Text = Annotated[str, Field(strict=True)]
Name = Annotated[Text, Field(json_schema_extra=NAME)]
Key = Annotated[Text, Field(json_schema_extra=KEY)]
Note = Annotated[Text, Field(json_schema_extra=NOTE)]
Search = Annotated[Text, Field(json_schema_extra=SEARCH)]
Priority = Annotated[
    int,
    Field(
        strict=True, json_schema_extra={"minimum": PRIORITY_RANGE.start, "maximum": PRIORITY_RANGE.stop - 1}
    ),
]
Retries = Annotated[int, Field(strict=True, json_schema_extra={"minimum": 0, "maximum": MAX_RETRIES})]
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_as_time),
    # an instant of 1970 to 9998, wherever its offset puts it
    Field(
        json_schema_extra={
            "pattern": "^(197[1-9]|19[89][0-9]|[2-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-7])-"
        }
    ),
]

_Given = Annotated[float, Field(strict=True)] | Text
_EXAMPLES = "Seconds, or for example 500ms, 30s, 15m, 1h30m, 2d"
Delay = Annotated[_Given | None, Field(description=_EXAMPLES, json_schema_extra=_span())]
Timeout = Annotated[_Given | None, Field(description=_EXAMPLES, json_schema_extra=_span(above=True))]
Keep = Annotated[
    _Given | None,
    Field(
        description='How long the ended job is kept: a duration, or "forever"',
        json_schema_extra=_span("forever"),
    ),
]
