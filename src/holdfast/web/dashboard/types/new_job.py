"""The form that enqueues a job."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast
from uuid import uuid4
from zoneinfo import ZoneInfo

from starlette.responses import Response

from holdfast.client.views import JobView, TypeView
from holdfast.core.errors import InvalidInput, NotFound, Problem
from holdfast.core.query import link_term
from holdfast.web.dashboard.frame import Frame
from holdfast.web.dashboard.job.code import as_code, importable
from holdfast.web.dashboard.page_data import PageData
from holdfast.web.dashboard.types.form_data import FormValues, read
from holdfast.web.dashboard.types.schema_form import MISSING, Field, build
from holdfast.web.dashboard.types.types_page import type_row

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
class FormProblems:
    """What is wrong with a form: with which arguments, and with which options."""

    arguments: list[Problem] = field(default_factory=list[Problem])
    options: dict[str, str] = field(default_factory=dict[str, str])


def published_type(data: PageData, name: str) -> TypeView:
    """A type that a form can be made for. Raises NotFound for one that only jobs name: its arguments are not known."""
    type_ = data.client.types.get(name)
    if not type_.published:
        raise NotFound(f"No worker has published {name[:60]!r}, so its arguments are not known.")
    return type_


def prefill(data: PageData, type_: TypeView, given: Mapping[str, str]) -> tuple[Any, Options]:
    """The arguments and options with which the form is opened: those of the job `from`, else those of the address."""
    source = given.get("from")
    if source:
        try:
            job: JobView = data.client.jobs.get(source)
        except NotFound:
            return MISSING, Options()
        queue = "" if job.queue == type_.queue else job.queue
        priority = "" if job.priority == type_.priority else str(job.priority)
        return job.args, Options(queue, priority, tags=", ".join(job.tags), owner=job.owner or "")
    values = {
        key.removeprefix("args."): _json_or_text(value)
        for key, value in given.items()
        if key.startswith("args.")
    }
    return (values or MISSING), Options(queue=given.get("queue", ""), tags=given.get("tags", ""))


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def queue_job(frame: Frame, name: str, form: Mapping[str, str]) -> Response:
    """Enqueue the job that a form describes, or show the form again: with its problems, a row more or less, or as code."""
    data = frame.data
    type_ = published_type(data, name)
    as_json = form.get("as") == "json"
    options = Options(**{key: form.get(key, "") for key in (*OPTION_NAMES, "start") if key in form})
    key = form.get("key") or uuid4().hex
    problems = FormProblems()
    add, remove = form.get("_add", ""), form.get("_remove", "")
    values = (
        _read_json(form.get("json", "")) if as_json else read(type_.args_schema, form, add=add, remove=remove)
    )
    problems.arguments += values.problems
    repaint = bool(add or remove or form.get("preview"))
    chosen = _chosen(options, frame.view.zone, problems)
    if not repaint and not problems.arguments and not problems.options:
        try:
            handle = data.client.jobs.enqueue(name, values.args, {**chosen, "idempotency_key": key})
        except InvalidInput as error:
            _sort_problems(error, problems)
        else:
            return frame.done(
                frame.view.url("jobs", handle.id),
                f"Queued {name}." if handle.created else f"This {name} job was queued before.",
            )
    if repaint:
        problems = FormProblems(arguments=values.problems)
    text = form.get("json", "")
    return form_page(
        frame,
        type_,
        values.shown,
        options,
        key,
        problems,
        as_json=as_json,
        text=text,
        chosen=chosen,
        args=values.args,
    )


def _read_json(text: str) -> FormValues:
    out = FormValues()
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


def _chosen(options: Options, zone: str, problems: FormProblems) -> dict[str, Any]:
    """The options as `client.enqueue` takes them."""
    out: dict[str, Any] = {}
    for name in ("queue", "owner", "unique", "timeout"):
        if text := getattr(options, name).strip():
            out[name] = text
    for name in ("priority", "retries"):
        if text := getattr(options, name).strip():
            try:
                out[name] = int(text)
            except ValueError:
                problems.options[name] = "must be a whole number"
    if tags := [tag.strip() for tag in options.tags.split(",") if tag.strip()]:
        out["tags"] = tags
    if options.start == "delay":
        if options.delay.strip():
            out["delay"] = options.delay.strip()
        else:
            problems.options["delay"] = "how long? For example 10m"
    if options.start == "at":
        try:
            out["run_at"] = datetime.fromisoformat(options.run_at).replace(tzinfo=ZoneInfo(zone))
        except ValueError:
            problems.options["run_at"] = "which time?"
    return out


def _sort_problems(error: InvalidInput, problems: FormProblems) -> None:
    found: Sequence[Problem] = error.problems or (Problem((), error.detail),)
    for problem in found:
        first = str(problem.loc[0]) if problem.loc else ""
        if first in OPTION_NAMES and len(problem.loc) == 1:
            problems.options[first] = problem.msg
        else:
            loc = problem.loc[1:] if first == "args" else problem.loc
            problems.arguments.append(Problem(tuple(loc), problem.msg))


def _summary(tree: Field) -> list[tuple[str, str, str]]:
    """The problems of the fields: id of the field, label and message."""
    found = [(tree.id, tree.label or tree.key, message) for message in tree.errors]
    for child in tree.children:
        found += _summary(child)
    return found


def form_page(
    frame: Frame,
    type_: TypeView,
    values: Any,
    options: Options,
    key: str,
    problems: FormProblems,
    *,
    as_json: bool,
    text: str = "",
    chosen: Mapping[str, Any] | None = None,
    args: Any = None,
) -> Response:
    """The form of a type, filled with `values` and `options`."""
    view = frame.view
    tree = build(type_.args_schema, values, problems.arguments)
    summary = _summary(tree)
    option_ids = {
        "queue": "o-q",
        "priority": "o-p",
        "retries": "o-r",
        "timeout": "o-l",
        "tags": "o-t",
        "unique": "o-u",
        "owner": "o-o",
    }
    summary += [
        (option_ids.get(name, "o-q"), name.replace("_", " ").capitalize(), message)
        for name, message in problems.options.items()
    ]
    whole: Any = args if args is not None else values
    if not isinstance(whole, dict):
        whole = _defaults(type_.args_schema)
    json_errors = (
        [f"{'.'.join(map(str, p.loc)) + ': ' if p.loc else ''}{p.msg}" for p in problems.arguments]
        if as_json
        else []
    )
    return frame.render(
        "types/new_job.html",
        "types",
        status=422 if summary else 200,
        type=type_row(type_, view),
        key=key,
        tree=tree,
        problems=summary,
        options=options,
        option_errors=problems.options,
        as_json=as_json,
        json_text=text or json.dumps(whole, ensure_ascii=False, indent=2, default=str),
        json_errors=json_errors,
        form_href=view.url("types", type_.name, "new"),
        json_href=view.url("types", type_.name, "new", as_="json"),
        queues=sorted(frame.data.stats().queues),
        type_search=link_term("type", type_.name),
        code=as_code(
            type_.name,
            whole,
            dict(chosen or {}),
            frame.address,
            importable(frame.data.client.types.registry, type_.name),
        ),
    )


def _defaults(schema: Mapping[str, Any]) -> dict[str, Any]:
    required = set(schema.get("required", ()))
    return {
        key: one.get("default")
        for key, one in schema.get("properties", {}).items()
        if key in required or "default" in one
    }
