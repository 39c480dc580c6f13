"""Writes the parts of the documentation that repeat the code: `make docs`; `--check` only tells which pages are not current.

A page holds such a part between `<!-- made from the code: NAME -->` and `<!-- end -->`; what stands around it is written
by hand.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import holdfast
from holdfast.app import Holdfast
from holdfast.client.client import Client
from holdfast.client.handle import JobHandle
from holdfast.client.job_function import Enqueuer, Job
from holdfast.client.named_enqueuer import NamedEnqueuer
from holdfast.client.options import JobOptions
from holdfast.client.registry import Registry
from holdfast.context import JobContext
from holdfast.core import sizes as limits
from holdfast.core.commands import ALLOWED, Action
from holdfast.core.errors import HoldfastError
from holdfast.core.outcome import Settlement, answer_request
from holdfast.core.query import FIELDS, STATES
from holdfast.core.settings import Settings
from holdfast.core.states import TRANSITIONS, Request, State, Verb, mermaid
from holdfast.runtime.signals.files import FileSignals
from holdfast.storage.gateway import Gateway
from holdfast.storage.sqlite import SqliteStore
from holdfast.web.app import create_web_app

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PART = re.compile(r"(<!-- made from the code: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("\n", " ") for cell in line) + " |\n" for line in lines)


def code(text: object) -> str:
    """`text` as code in a table, where a bar would end the cell."""
    return f"`{text}`".replace("|", "\\|")


# -- settings -------------------------------------------------------------------------------------------------------------


def settings() -> str:
    def default(value: object) -> str:
        if value is None:
            return '`"forever"`'
        if value in ("", ()):
            return "empty"
        return code(int(value) if isinstance(value, float) and value.is_integer() else value)

    rows = [
        (code(f"HOLDFAST_{name.upper()}"), code(name), default(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    return table(("environment", "holdfast.toml and arguments", "default", "meaning"), rows)


def size_limits() -> str:
    rows = (
        ("Arguments of a job", f"{limits.MAX_ARGS // 1024} KiB of JSON"),
        ("Result of a job", f"{limits.MAX_RESULT // 1024} KiB of JSON"),
        ("Saved state of a job", f"{limits.MAX_SAVED // 1024} KiB of JSON"),
        ("Depth of JSON", f"{limits.MAX_DEPTH} levels"),
        ("Whole number in JSON", f"{limits.MAX_DIGITS:,} digits"),
        (
            "Console of a job",
            f"{limits.MAX_LOG_LINES:,} lines of {limits.MAX_LOG_LINE // 1024} KiB; longer lines are cut",
        ),
        ("Traceback", f"{limits.MAX_TRACEBACK // 1024} KiB; the middle is cut"),
        (
            "Names (type, queue, owner, tag)",
            f"{limits.MAX_NAME} characters, no control or invisible ones, no blanks at the ends",
        ),
        ("Keys (unique, idempotency)", f"{limits.MAX_KEY} characters, none of them a control character"),
        ("Tags of a job", str(limits.MAX_TAGS)),
        ("Reason of an action", f"{limits.MAX_REASON:,} characters"),
    )
    return table(("what", "at most"), rows)


# -- search ---------------------------------------------------------------------------------------------------------------


def search_fields() -> str:
    rows = [
        (
            code(f"{field.name}:"),
            field.kind.value,
            "yes" if field.indexed else "no",
            field.help.replace("|", "\\|"),
        )
        for field in FIELDS.values()
    ]
    return table(("field", "kind", "indexed", "meaning and example"), rows)


def search_states() -> str:
    def meaning(word: str) -> str:
        state = STATES[word]
        words = [f"state {state.state.value}"]
        words += [f"reason {state.reason}"] if state.reason else []
        words += [f"with a {state.requested.value} asked for"] if state.requested else []
        return ", ".join(words)

    return table(("word", "means"), [(code(f"state:{word}"), meaning(word)) for word in STATES])


# -- errors ---------------------------------------------------------------------------------------------------------------


def subclasses(kind: type[HoldfastError]) -> Iterator[type[HoldfastError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from subclasses(below)


def errors() -> str:
    for module in pkgutil.walk_packages(holdfast.__path__, "holdfast."):
        if not module.name.startswith(
            ("holdfast.testing", "holdfast.__main__", "holdfast.worker.executors.child")
        ):
            importlib.import_module(module.name)
    by_code: dict[str, list[type[HoldfastError]]] = {}
    for kind in subclasses(HoldfastError):
        known = by_code.setdefault(kind.code, [])
        if not any(issubclass(kind, one) for one in known):  # a special case of one that is told already
            known.append(kind)
    rows = [
        (
            code(name),
            str(kinds[0].status),
            ", ".join(code(kind.__name__) for kind in kinds if hasattr(holdfast, kind.__name__)),
            " Or: ".join(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0] for kind in kinds),
        )
        for name, kinds in sorted(by_code.items())
    ]
    return table(("code", "HTTP status", "class in `holdfast`", "meaning"), rows)


# -- REST -----------------------------------------------------------------------------------------------------------------


def openapi() -> dict[str, Any]:
    """The description of the API. Nothing is opened for it: no store has to be there."""
    chosen, place = Settings(), Path("unused")
    store = SqliteStore(place)
    client = Client(chosen, store, Gateway(store, print), FileSignals(place), Registry())
    return create_web_app(client, chosen, version=holdfast.__version__).openapi()


def routes() -> str:
    document = openapi()
    groups: dict[str, list[tuple[str, ...]]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            asked = [code(p["name"]) for p in operation.get("parameters", []) if p["in"] != "path"]
            body = (
                operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
            )
            asked += [f"body: {_fields(document, body)}"] if body else []
            good = ", ".join(
                sorted(status for status in operation["responses"] if status.isdigit() and status < "400")
            )
            does = " ".join(operation.get("description", operation.get("summary", "")).split())
            row = (code(f"{method.upper()} {path}"), does.replace("|", "\\|"), ", ".join(asked), good)
            groups.setdefault(operation["tags"][0], []).append(row)
    parts = [
        f"### {tag.capitalize()}\n\n{table(('method and path', 'does', 'takes', 'answers'), rows)}"
        for tag, rows in groups.items()
    ]
    return "\n".join(parts)


def _fields(document: dict[str, Any], schema: dict[str, Any]) -> str:
    for one in (schema, *schema.get("anyOf", [])):
        if "$ref" in one:
            found = document["components"]["schemas"][one["$ref"].rpartition("/")[2]]
            required = found.get("required", [])
            return ", ".join(code(name if name in required else f"{name}?") for name in found["properties"])
    return ""


# -- states ---------------------------------------------------------------------------------------------------------------


def state_diagram() -> str:
    return f"```mermaid\n{mermaid()}```\n"


def transitions() -> str:
    rows = [
        (
            code(way.verb),
            ", ".join(code(state) for state in State if state in way.sources),
            code(way.target),
            way.meaning,
            "–" if State.PROCESSING not in way.sources else "yes" if way.counts_attempt else "no",
        )
        for way in TRANSITIONS.values()
    ]
    return table(("verb", "from", "to", "because", "counts as an attempt"), rows)


def winners() -> str:
    """What is written when an attempt ends after something was asked, found by asking the rule itself."""
    ends = [
        (Verb.SUCCEED, "it succeeds"),
        (Verb.FAIL, "it fails, no attempt is left"),
        (Verb.RETRY_LATER, "it fails, and would be tried again"),
        (Verb.SNOOZE, "it snoozes"),
        (Verb.STOP, "it cancels itself"),
        (Verb.RELEASE, "its worker stops and requeues it"),
        (Verb.RESCUE, "the child process that ran it dies"),
        (Verb.QUARANTINE, "that is its third crash"),
    ]

    def winner(verb: Verb, asked: Request) -> str:
        return code(answer_request(Settlement(1, 1, verb), asked, None, None, None).target)

    rows = [
        (words, code(TRANSITIONS[verb].target), winner(verb, Request.PAUSE), winner(verb, Request.CANCEL))
        for verb, words in ends
    ]
    return table(
        ("how the attempt ends", "nothing asked", "a pause was asked before", "a cancel was asked before"),
        rows,
    )


def actions() -> str:
    rows = [
        (code(action), *("yes" if state in ALLOWED[action] else "–" for state in State)) for action in Action
    ]
    return table(("action", *(code(state) for state in State)), rows)


# -- Python ---------------------------------------------------------------------------------------------------------------


def signature(function: Callable[..., Any]) -> str:
    """As it is written, without `self`; `inspect` alone would show postponed annotations in quotes."""
    whole = inspect.signature(function)
    shown: list[str] = []
    for p in whole.parameters.values():
        if p.name == "self":
            continue
        if p.kind is p.KEYWORD_ONLY and "*" not in "".join(shown):
            shown.append("*")
        star = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        default = "" if p.default is p.empty else f" = {p.default!r}"
        shown.append(f"{star}{p.name}: {p.annotation}{default}")
    answer = "" if whole.return_annotation == "None" else f" -> {whole.return_annotation}"
    return f"({', '.join(shown)}){answer}"


def members(kind: type, *, leave: Iterable[str] = ()) -> str:
    """Every public member of a class with its signature and its docstring."""
    parts: list[str] = []
    for name, member in vars(kind).items():
        if name.startswith("_") or name in leave:
            continue
        function = member.fget if isinstance(member, property) else member
        if not inspect.isfunction(function):
            continue
        words = inspect.cleandoc(function.__doc__ or "")
        if isinstance(member, property):
            head = f"{name}: {inspect.signature(function).return_annotation}"
        else:
            awaited = "await " if inspect.iscoroutinefunction(function) else ""
            head = f"{awaited}{name}{signature(function)}"
        parts.append(f"### `{head}`\n\n{words}\n")
    return "\n".join(parts)


def job_context() -> str:
    return members(JobContext)


def job_handle() -> str:
    return members(JobHandle)


def job_function() -> str:
    return members(Job, leave=("options",)) + "\n" + members(Enqueuer)


def app_class() -> str:
    opening = ("open", "open_async")
    parts = (
        members(Holdfast, leave=(*opening, "close")),
        members(NamedEnqueuer, leave=("client", *opening)),
        members(Holdfast, leave=("settings", "configure", "job")),
    )
    return "\n".join(parts)


def job_options() -> str:
    fields = JobOptions.__dataclass_fields__.values()
    rows = [(code(field.name), code(str(field.type).removesuffix(" | None"))) for field in fields]
    return table(("option", "type"), rows)


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "limits": size_limits,
    "search-fields": search_fields,
    "search-states": search_states,
    "errors": errors,
    "routes": routes,
    "state-diagram": state_diagram,
    "transitions": transitions,
    "winners": winners,
    "actions": actions,
    "job-context": job_context,
    "job-handle": job_handle,
    "job-function": job_function,
    "app": app_class,
    "job-options": job_options,
}


def current(text: str) -> str:
    """The page with every made part made anew. Raises KeyError for a part that nobody makes."""
    return PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n{found[3]}", text)


def stale() -> Iterator[tuple[Path, str]]:
    """The pages that are not as the code is now, with what they should be."""
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text()
        if (made := current(text)) != text:
            yield page, made


def main() -> int:
    check = sys.argv[1:] == ["--check"]
    found = list(stale())
    for page, made in found:
        print(f"{page.relative_to(ROOT)} {'is not current; run make docs' if check else 'written'}")
        if not check:
            page.write_text(made)
    return int(check and bool(found))


if __name__ == "__main__":
    sys.exit(main())
