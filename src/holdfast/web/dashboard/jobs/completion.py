"""The options of the completion list of the query box."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from holdfast.core.errors import InvalidQuery
from holdfast.core.query import FIELDS, MAX_CHARS, STATES, Field, UnreadableQuery, link_term
from holdfast.core.query.completion import Place, completing, fields_completing, place_at
from holdfast.web.dashboard.format import number, pluralize
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.state_styles import STATE_STYLES

LIMIT = 20
CACHE_SECONDS = 300.0
"""How long values and their counts are cached."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of a field: what it means, and how many jobs have it."""

    name: str
    note: str = ""
    count: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """One row of the list. `name` in three parts, of which the middle one was typed. Choosing it puts `head` before the
    caret and `tail` after it. `more`: then there is more to complete."""

    name: tuple[str, str, str]
    note: str
    count: str
    head: str
    tail: str
    more: bool = False


@dataclass(frozen=True, slots=True)
class Completions:
    """The list. `problem`: why the text is invalid, where the first option is a correction."""

    label: str = ""
    problem: str = ""
    options: tuple[Option, ...] = ()


def completions(data: PageData, before: str, after: str, zone: ZoneInfo) -> Completions:
    """The options that complete the text around the caret."""
    text = before + after
    if len(text) > MAX_CHARS:
        return Completions()
    place = place_at(text, len(before))
    found = () if place is None else tuple(_options(data, text, place))
    label = f"Values of {place.field.name}" if place and place.field else "Fields"
    try:
        data.client.jobs.query(text, zone=zone)
    except UnreadableQuery as error:
        half_written = place is not None and place.field is not None and error.end == place.end and found
        if error.correction and not half_written:
            corrected = error.correction
            first = Option(("", corrected.term, ""), "corrected", "", corrected.text, "")
            return Completions(label, f"{error.message} ({error.place}).", (first, *found)[:LIMIT])
    except InvalidQuery:
        pass  # the list shows what can be written; the page reports what is wrong
    return Completions(label, "", found)


def _options(data: PageData, text: str, place: Place) -> Iterable[Option]:
    head, tail = text[: place.start], text[place.end :]
    if place.field is None:
        for field in fields_completing(place.word)[:LIMIT]:
            name = f"{field.name}:"
            yield Option(
                _marked(name, place.word), field.help, _note(data, field), head + name, tail, more=True
            )
        return
    values = {value.name: value for value in _values(data).get(place.field.name, ())}
    names = completing(values, place.word)
    if not names and place.field.name == "state":
        names = completing(STATES, place.word)  # the labels of the pages: running, queued, waiting
    for name in names[:LIMIT]:
        value = values.get(name) or Value(name)
        written = link_term(place.field.name, name).partition(":")[2]
        yield Option(_marked(name, place.word), value.note, value.count, head + written, tail)


def _note(data: PageData, field: Field) -> str:
    values = _values(data).get(field.name)
    if values is not None:
        return pluralize(len(values), "value")
    return field.kind.value if field.kind.ordered else ""


def _marked(name: str, word: str) -> tuple[str, str, str]:
    at = name.lower().find(word.lower())
    if at < 0:
        return name, "", ""
    end = at + len(word)
    return name[:at], name[at:end], name[end:]


def _values(data: PageData) -> dict[str, tuple[Value, ...]]:
    """The values of the fields that have few."""
    return data.cached("completion values", lambda: _load(data), CACHE_SECONDS)


def _load(data: PageData) -> dict[str, tuple[Value, ...]]:
    client = data.client
    counts = {key: count.count for key, count in client.jobs.count_by_state(client.jobs.query("")).items()}
    counts |= client.jobs.states()
    states = (Value(key, style.meaning, number(counts.get(key, 0))) for key, style in STATE_STYLES.items())
    queues = (Value(name, "", f"{number(one.enqueued)} queued") for name, one in data.stats().queues.items())
    types = (Value(one.name, one.doc, f"{number(one.waiting)} queued") for one in client.types.all())
    names = sorted(set(data.worker_names().values()))
    found = {
        "state": tuple(states),
        "queue": tuple(queues),
        "type": tuple(types),
        "worker": tuple(map(Value, names)),
    }
    return {name: found[name] for name in FIELDS if name in found}
