"""Runs the Python blocks of one page of documentation, in order, as one program: `python run_page.py PAGE`.

A block does not run when the line above it says `<!-- not run: reason -->`. `await` may stand at the top level.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

FENCE = re.compile(r"^( *)```python[^\n]*\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
NOT_RUN = re.compile(r"<!-- not run: \S[^\n]*-->\s*\Z")


def blocks(text: str) -> Iterator[tuple[int, str]]:
    """Each runnable block with the line of the page on which it begins."""
    for match in FENCE.finditer(text):
        if not NOT_RUN.search(text, 0, match.start()):
            indent = match[1]
            lines = [line.removeprefix(indent) for line in match[2].splitlines()]
            yield text.count("\n", 0, match.start(2)) + 1, "\n".join(lines)


def run(page: Path) -> None:
    namespace = sys.modules["__main__"].__dict__
    for line, source in blocks(page.read_text()):
        # As many empty lines before it as the page has, so that a traceback names the line of the page.
        code = compile("\n" * (line - 1) + source, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        result = eval(code, namespace)
        if inspect.iscoroutine(result):
            asyncio.run(result)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
