"""The routes of job types, and of the form that enqueues a job."""

# The decorators keep the functions below; nobody calls them by name.
# pyright: reportUnusedFunction=false

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import uuid4
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from holdfast.client.views import JobView, TypeView
from holdfast.core.errors import InvalidInput, NotFound, Problem
from holdfast.core.query import link_term
from holdfast.web.dashboard.code import as_code, importable
from holdfast.web.dashboard.desk import Desk
from holdfast.web.dashboard.fleet_page import types_page
from holdfast.web.dashboard.form_data import Read, read
from holdfast.web.dashboard.pages import Frame, frame_of
from holdfast.web.dashboard.routes_jobs import address
from holdfast.web.dashboard.schema_form import MISSING, Field, build

OPTION_NAMES = ("queue", "priority", "delay", "run_at", "tags", "owner", "unique", "retries", "timeout")


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the form, as texts."""

    queue: str = ""
    priority: str = ""
    start: str = "now"
    delay: str = ""
    run_at: str = ""
    tags: str = ""
    owner: str = ""
    unique: str = ""
    retries: str = ""
    timeout: str = ""

    @property
    def more(self) -> bool:
        """Whether the folded options hold anything."""
        return bool(self.unique or self.retries or self.timeout or self.owner)


@dataclass(slots=True)
class Told:
    """What is wrong with a form: beside which field, and in the list on top."""

    arguments: list[Problem] = field(default_factory=list[Problem])
    options: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of the list of problems."""

    id: str
    label: str
    message: str


def add_type_routes(router: APIRouter, desk: Desk) -> None:
    """The pages of job types."""

    @router.get("/types")
    def types(request: Request, t: str = "") -> Response:
        frame = frame_of(desk, request)
        return frame.render("types.html", "types", page=types_page(desk, frame.view, t), find=t)

    @router.get("/types/{name:path}/new")
    def new(request: Request, name: str) -> Response:
        frame = frame_of(desk, request)
        type_ = _published(desk, name)
        asked = request.query_params
        values, options = _prefill(desk, type_, asked)
        return _form(frame, type_, values, options, uuid4().hex, Told(), as_json=asked.get("as") == "json")

    @router.post("/types/{name:path}/new")
    async def queue(request: Request, name: str) -> Response:
        form = {key: value for key, value in (await request.form()).items() if isinstance(value, str)}
        return await run_in_threadpool(lambda: _queue(frame_of(desk, request), name, form))


def _published(desk: Desk, name: str) -> TypeView:
    """A type that a form can be made for. Raises NotFound for one that only jobs name: nobody knows its arguments."""
    type_ = desk.client.types.get(name)
    if not type_.published:
        raise NotFound(f"No worker has published {name[:60]!r}, so its arguments are not known.")
    return type_


def _prefill(desk: Desk, type_: TypeView, asked: Mapping[str, str]) -> tuple[Any, Options]:
    source = asked.get("from")
    if source:
        try:
            job: JobView = desk.client.jobs.get(source)
        except NotFound:
            return MISSING, Options()
        queue = "" if job.queue == type_.queue else job.queue
        priority = "" if job.priority == type_.priority else str(job.priority)
        return job.args, Options(queue, priority, tags=", ".join(job.tags), owner=job.owner or "")
    given = {key.removeprefix("args."): value for key, value in asked.items() if key.startswith("args.")}
    values = {key: _loose(value) for key, value in given.items()}
    return (values or MISSING), Options(queue=asked.get("queue", ""), tags=asked.get("tags", ""))


def _loose(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _queue(frame: Frame, name: str, form: Mapping[str, str]) -> Response:
    desk = frame.desk
    type_ = _published(desk, name)
    as_json = form.get("as") == "json"
    options = Options(**{key: form.get(key, "") for key in (*OPTION_NAMES, "start") if key in form})
    key = form.get("key") or uuid4().hex
    told = Told()
    add, remove = form.get("_add", ""), form.get("_remove", "")
    got = (
        _read_json(form.get("json", "")) if as_json else read(type_.args_schema, form, add=add, remove=remove)
    )
    told.arguments += got.problems
    repaint = bool(add or remove or form.get("preview"))
    chosen = _chosen(options, frame.view.zone, told)
    if not repaint and not told.arguments and not told.options:
        try:
            handle = desk.client.jobs.enqueue(name, got.args, {**chosen, "idempotency_key": key})
        except InvalidInput as error:
            _sort_problems(error, told)
        else:
            return frame.done(
                frame.view.url("jobs", handle.id),
                f"Queued {name}." if handle.created else f"This {name} job was queued before.",
            )
    if repaint:
        told = Told(arguments=got.problems)
    text = form.get("json", "")
    return _form(
        frame, type_, got.shown, options, key, told, as_json=as_json, text=text, chosen=chosen, args=got.args
    )


def _read_json(text: str) -> Read:
    out = Read()
    try:
        value = json.loads(text or "{}", parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        out.problems.append(Problem((), f"is not JSON: {error}"))
        return out
    if not isinstance(value, dict):
        out.problems.append(Problem((), "must be a JSON object"))
        return out
    out.args = out.shown = cast(dict[str, Any], value)
    return out


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _chosen(options: Options, zone: str, told: Told) -> dict[str, Any]:
    """The options in the form in which `client.enqueue` takes them."""
    out: dict[str, Any] = {}
    for name in ("queue", "owner", "unique", "timeout"):
        if text := getattr(options, name).strip():
            out[name] = text
    for name in ("priority", "retries"):
        if text := getattr(options, name).strip():
            try:
                out[name] = int(text)
            except ValueError:
                told.options[name] = "must be a whole number"
    if tags := [tag.strip() for tag in options.tags.split(",") if tag.strip()]:
        out["tags"] = tags
    if options.start == "delay":
        if options.delay.strip():
            out["delay"] = options.delay.strip()
        else:
            told.options["delay"] = "how long? For example 10m"
    if options.start == "at":
        try:
            out["run_at"] = datetime.fromisoformat(options.run_at).replace(tzinfo=ZoneInfo(zone))
        except ValueError:
            told.options["run_at"] = "which time?"
    return out


def _sort_problems(error: InvalidInput, told: Told) -> None:
    problems: Sequence[Problem] = error.problems or (Problem((), error.detail),)
    for problem in problems:
        first = str(problem.loc[0]) if problem.loc else ""
        if first in OPTION_NAMES and len(problem.loc) == 1:
            told.options[first] = problem.msg
        else:
            loc = problem.loc[1:] if first == "args" else problem.loc
            told.arguments.append(Problem(tuple(loc), problem.msg))


def _summaries(tree: Field) -> list[Summary]:
    found = [Summary(tree.id, tree.label or tree.key, message) for message in tree.errors]
    for child in tree.children:
        found += _summaries(child)
    return found


def _form(
    frame: Frame,
    type_: TypeView,
    values: Any,
    options: Options,
    key: str,
    told: Told,
    *,
    as_json: bool,
    text: str = "",
    chosen: Mapping[str, Any] | None = None,
    args: Any = None,
) -> Response:
    view = frame.view
    tree = build(type_.args_schema, values, told.arguments)
    problems = _summaries(tree)
    option_ids = {
        "queue": "o-q",
        "priority": "o-p",
        "retries": "o-r",
        "timeout": "o-l",
        "tags": "o-t",
        "unique": "o-u",
        "owner": "o-o",
    }
    problems += [
        Summary(option_ids.get(name, "o-q"), name.replace("_", " ").capitalize(), message)
        for name, message in told.options.items()
    ]
    whole: Any = args if args is not None else values
    if not isinstance(whole, dict):
        whole = _defaults(type_.args_schema)
    plain = dict(chosen or {})
    json_errors = (
        [f"{'.'.join(map(str, p.loc)) + ': ' if p.loc else ''}{p.msg}" for p in told.arguments]
        if as_json
        else []
    )
    line = type_.doc.strip().partition("\n\n")[0].replace("\n", " ")
    return frame.render(
        "new_job.html",
        "types",
        status=422 if problems else 200,
        type=_Typed(type_),
        doc=line,
        key=key,
        tree=tree,
        count=len(problems),
        problems=problems,
        options=options,
        option_errors=told.options,
        as_json=as_json,
        json_text=text or json.dumps(whole, ensure_ascii=False, indent=2, default=str),
        json_errors=json_errors,
        form_href=view.url("types", type_.name, "new"),
        json_href=view.url("types", type_.name, "new", as_="json"),
        queues=sorted(frame.desk.stats().queues),
        type_search=link_term("type", type_.name),
        code=as_code(
            type_.name,
            whole,
            plain,
            address(frame.request, view),
            importable(frame.desk.client.types.registry, type_.name),
        ),
    )


def _defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    return {
        key: one.get("default")
        for key, one in schema.get("properties", {}).items()
        if key in required or "default" in one
    }


@dataclass(frozen=True, slots=True)
class _Typed:
    """A type as the form shows it."""

    type: TypeView

    @property
    def retries(self) -> int:
        return self.type.max_attempts - 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.type, name)
