"""Imports the app by its name, "module:attribute"."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from holdfast.core.errors import ConfigurationError, Problem


def load_app(path: str) -> Any:
    """The Holdfast app that `path` ("module:attribute", attribute defaults to `app`) names, imported from the current
    folder too.

    Raises ConfigurationError that says which part was not found. What the module itself raises is passed on as it is.
    """
    module_name, _, attribute = path.partition(":")
    if not module_name or module_name.startswith("."):
        raise ConfigurationError(
            [Problem(("app",), f"{path!r} names no module; write it as module:attribute")]
        )
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # only the module itself or a package on the way to it: anything else is missing from what the module imports
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise ConfigurationError(
            [Problem(("app",), f"there is no module {module_name!r} here ({folder})")]
        ) from None
    found = getattr(module, attribute or "app", None)
    if found is None or not hasattr(found, "registry"):
        what = f"module {module_name!r} has no Holdfast app named {attribute or 'app'!r}"
        raise ConfigurationError([Problem(("app",), f"{what}; write it as module:attribute")])
    return found
