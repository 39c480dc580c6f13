"""This exists so that a job's own retention is kept as one small JSON text in every store."""

from __future__ import annotations

import json
from dataclasses import asdict

from holdfast.core.job import Retention


def format_retention(retention: Retention | None) -> str | None:
    """The text that is stored; None when the job follows the app's settings."""
    return None if retention is None else json.dumps(asdict(retention))


def parse_retention(text: str | None) -> Retention | None:
    """The value of a stored text."""
    return None if text is None else Retention(**json.loads(text))
