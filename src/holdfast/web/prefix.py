"""The path prefix of a proxy: whether it was kept or stripped, and which of our addresses a request means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal
from urllib.parse import quote

from starlette.types import Scope


def address_of(scope: Scope) -> str:
    """The path of a request without the prefix under which the app is mounted."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path.removeprefix(root) if root and (path == root or path.startswith(f"{root}/")) else path


class Prefix:
    """Brings every request into one form: `root_path` is the prefix, and `path` begins with it exactly once."""

    def __init__(
        self,
        root_path: str,
        handling: Literal["auto", "kept", "stripped"],
        is_address: Callable[[Scope, str], bool],
    ) -> None:
        self._root = root_path
        self._handling = handling
        self._is_address = is_address

    def apply(self, scope: Scope) -> None:
        """Normalize the scope of a request. An app that is mounted in another one has its prefix already."""
        if not self._root or scope.get("root_path"):
            return
        scope["root_path"] = self._root
        path = scope["path"]
        if not self._is_kept(scope, path):
            scope["path"] = self._root + path
            if "raw_path" in scope:
                scope["raw_path"] = quote(self._root).encode() + scope["raw_path"]
        elif path == self._root:
            scope["path"] = f"{path}/"

    def _is_kept(self, scope: Scope, path: str) -> bool:
        if self._handling == "stripped" or not (path == self._root or path.startswith(f"{self._root}/")):
            return False
        if self._handling == "kept":
            return True
        # The prefix may be the first part of an address of ours, as /jobs: what remains decides.
        rest = path.removeprefix(self._root)
        return (rest != "" and self._is_address(scope, rest)) or not self._is_address(scope, path)
