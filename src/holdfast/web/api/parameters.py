"""Refuses misspelt query parameters: a filter that is silently ignored would return other jobs than those requested."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from fastapi.dependencies.models import Dependant

from holdfast.core.errors import InvalidInput, Problem


def names_of(dependant: Dependant) -> frozenset[str]:
    """The parameters that a route takes from the query of its address, those of its dependencies too."""
    found = frozenset(field.alias for field in dependant.query_params)
    return found.union(*(names_of(below) for below in dependant.dependencies))


def refuse_unknown(given: Iterable[str], known: Iterable[str]) -> None:
    """Raise InvalidInput with every name that is not known, and the nearest one that is."""
    names = sorted(known)
    problems = [Problem((name,), _reason(name, names)) for name in dict.fromkeys(given) if name not in names]
    if problems:
        raise InvalidInput("; ".join(f"{p.loc[0]}: {p.msg}"[:200] for p in problems[:5]), problems)


def _reason(name: str, known: list[str]) -> str:
    near = get_close_matches(name[:40].lower(), known, n=1, cutoff=0.5)
    if near:
        return f"no parameter of this address; {near[0]!r} is meant?"
    return f"no parameter of this address; it takes {', '.join(known) or 'none'}"
