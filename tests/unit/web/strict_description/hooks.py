"""What schemathesis cannot know of our own formats: searches, lists of names, and that a cursor comes from a page."""

from __future__ import annotations

import schemathesis
from hypothesis import strategies as st

SEARCHES = (
    "",
    "state:failed,paused",
    "type:count_to",
    "-tag:a b",
    "created:>2h",
    'args.n:1 OR "a: b"',
    "age:>1d",
)

VALUES = ("count_to", "a b", "default,mail", '"a, b",c')

schemathesis.openapi.format("holdfast-search", st.sampled_from(SEARCHES))
schemathesis.openapi.format("holdfast-values", st.sampled_from(VALUES))
schemathesis.openapi.format("holdfast-cursor", st.nothing())
