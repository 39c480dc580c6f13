"""The search language of pages, REST, command line and live filters.

    query  := or ; or := and ("OR" and)* ; and := unary (["AND"] unary)* ; unary := ["NOT"|"-"] atom
    atom   := "(" or ")" | term | word
    term   := field ":" ["="|">"|">="|"<"|"<="|"~"] value ("," value)* | field ":" value ".." value
    value  := bare | "quoted" with \\" and \\\\ | glob* | * (present) | null

`syntax` reads the text, `resolve` gives it meaning as `nodes`, `canonical` writes it back, `matching` reads them over a
job; `fields` is the table of what can be asked. Clock, zone and user are parameters.
"""

from __future__ import annotations

from holdfast.core.query.canonical import link_term, term
from holdfast.core.query.corrections import Correction, UnreadableQuery
from holdfast.core.query.errors import QueryError
from holdfast.core.query.fields import FIELDS, STATES, Field, Kind
from holdfast.core.query.matching import Candidate, matches, may_match
from holdfast.core.query.nodes import (
    FINGERPRINT,
    And,
    ArgOp,
    ArgPath,
    Compare,
    Duration,
    Glob,
    JobState,
    Leaf,
    Node,
    Not,
    Number,
    Or,
    Pattern,
    Phrase,
    Present,
    Scalar,
    StateIs,
    Text,
    Time,
    Word,
    without_states,
)
from holdfast.core.query.query import Chip, Query, parse
from holdfast.core.query.syntax import MAX_CHARS, MAX_DEPTH, MAX_TERMS

__all__ = [
    "FIELDS",
    "FINGERPRINT",
    "MAX_CHARS",
    "MAX_DEPTH",
    "MAX_TERMS",
    "STATES",
    "And",
    "ArgOp",
    "ArgPath",
    "Candidate",
    "Chip",
    "Compare",
    "Correction",
    "Duration",
    "Field",
    "Glob",
    "JobState",
    "Kind",
    "Leaf",
    "Node",
    "Not",
    "Number",
    "Or",
    "Pattern",
    "Phrase",
    "Present",
    "Query",
    "QueryError",
    "Scalar",
    "StateIs",
    "Text",
    "Time",
    "UnreadableQuery",
    "Word",
    "link_term",
    "matches",
    "may_match",
    "parse",
    "term",
    "without_states",
]
