"""The project uses the standard terms of the field: words of a private idiom are counted, and may only become fewer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.guards.tree import ROOT, files

# What a word is counted by; on the right what is written instead.
WORDS = {
    r"this exists so that": "say what the module is",
    r"answer(?:s|ed)": "returns, responds with",
    r"(?:tells|told)(?! (?:\w+ )?apart)": "reports, notifies",
    r"(?:go|goes|going|went) on": "continues, resumes",
    r"(?:given?|gives|gave|giving) back|give-back": "requeued, released",
    r"hand(?:s|ed|ing)? (?:back|over|up)": "requeued, released, passed",
    r"(?:stands|standing)(?! for| in for)": "is stored, is valid, exists",
    r"whoever|nobody|somebody|everybody": "the caller, the worker, no process",
    r"he|his|him|himself": "it, its, they",
    r"patience": "timeout",
    r"burn(?:s|t)": "counts as an attempt",
    r"on board|in hand": "running in that process, current",
    r"by the clock|duties of the clock|clockduties": "maintenance",
    r"steered": "controlled",
    r"(?:most|longest|least)_[a-z]\w*": "MAX_x, MIN_x",
}

# Text that stays, with the reason. Each must still be there: an entry that is no longer needed is removed.
ALLOWED = {
    "docs": {
        "`--give-back`": "the name of an option",
        "✗ a clock that stands still": "output of the conformance kit, quoted",
    },
    "src/holdfast/cli": {"--give-back": "the name of an option"},
}

# How often a word may still occur in what is not cleaned yet. A number is only ever lowered; a word that is not named may
# not occur at all. A folder that is clean is named with {}.
BOUNDS: dict[str, dict[str, int]] = {
    "README.md": {},
    "docs": {},
    "docs/internals.md": {
        r"answer(?:s|ed)": 1,
        r"(?:tells|told)(?! (?:\w+ )?apart)": 1,
    },
    "examples": {},
    "src/holdfast/cli": {},
    "src/holdfast/client": {},
    "src/holdfast/hosting": {},
    "src/holdfast/scheduler": {},
    "src": {
        r"answer(?:s|ed)": 50,
        r"(?:tells|told)(?! (?:\w+ )?apart)": 62,
        r"(?:go|goes|going|went) on": 8,
        r"(?:given?|gives|gave|giving) back|give-back": 2,
        r"(?:stands|standing)(?! for| in for)": 64,
        r"whoever|nobody|somebody|everybody": 31,
        r"burn(?:s|t)": 8,
        r"on board|in hand": 4,
        r"by the clock|duties of the clock|clockduties": 1,
        r"(?:most|longest|least)_[a-z]\w*": 5,
    },
    "src/holdfast/web": {},
    "tests": {
        r"(?:given?|gives|gave|giving) back|give-back": 1,
        r"whoever|nobody|somebody|everybody": 2,
        r"burn(?:s|t)": 1,
        r"on board|in hand": 1,
        r"(?:most|longest|least)_[a-z]\w*": 1,
    },
    "tests/browser": {},
    "tests/unit/web": {},
}

SUFFIXES = {".md", ".py", ".html", ".js", ".css", ".toml", ".sh", ".sql", ".yml"}
# Generated parts of the docs are counted in the code that they come from.
MADE = re.compile(r"<!-- made from the code: .*?<!-- end -->", re.DOTALL)
COMMENT = re.compile(r"\s+(?:#+ |// |\* )?")


def belongs(path: Path, place: str) -> bool:
    """A file belongs to the most exact place of BOUNDS that holds it."""
    name = path.relative_to(ROOT).as_posix()
    places = [one for one in BOUNDS if name == one or name.startswith(one + "/")]
    return bool(places) and max(places, key=len) == place


def text_of(place: str) -> str:
    """All text of a place in one line, so that a phrase is found over the end of a line."""
    found = [
        path
        for path in files()
        if path.suffix in SUFFIXES and path != Path(__file__) and belongs(path, place)
    ]
    assert found, f"no file in {place}"
    return "\n\n".join(COMMENT.sub(" ", MADE.sub("", path.read_text())) for path in found)


def counts(text: str) -> dict[str, int]:
    found = {word: len(re.findall(rf"\b(?:{word})\b", text, re.IGNORECASE)) for word in WORDS}
    return {word: number for word, number in found.items() if number}


@pytest.mark.parametrize("place", BOUNDS)
def test_the_words_are_those_of_the_field(place: str) -> None:
    text = text_of(place)
    for phrase, reason in ALLOWED.get(place, {}).items():
        assert phrase in text, f"{place}: {phrase!r} ({reason}) is gone; remove it from ALLOWED"
        text = text.replace(phrase, "")
    bounds = BOUNDS[place]
    more = {
        word: f"{number} times, at most {bounds.get(word, 0)}; write: {WORDS[word]}"
        for word, number in counts(text).items()
        if number > bounds.get(word, 0)
    }
    assert not more, f"{place}: {more}"


def test_the_bounds_name_words_that_are_counted() -> None:
    assert not {word for bounds in BOUNDS.values() for word in bounds} - WORDS.keys()


def test_a_phrase_is_found_over_a_line_and_a_name_in_any_case() -> None:
    text = COMMENT.sub(" ", "# the job goes\n    # on; MOST_AT_ONCE; it tells them apart, it tells")
    assert counts(text) == {
        r"(?:go|goes|going|went) on": 1,
        r"(?:tells|told)(?! (?:\w+ )?apart)": 1,
        r"(?:most|longest|least)_[a-z]\w*": 1,
    }
