"""This exists so that the command line can ask a server over REST, and get the same values as from the store."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from holdfast.cli.backend.event_stream import EventStreamSignal
from holdfast.cli.backend.protocol import ChangeSignal
from holdfast.cli.exit_codes import CliError, ExitCode
from holdfast.client.views import (
    BulkView,
    HistoryView,
    JobPage,
    JobView,
    LogPage,
    QueueView,
    StatsView,
    TypeView,
    WorkerView,
)
from holdfast.core import errors as e
from holdfast.core.commands import Action
from holdfast.core.urls import masked
from holdfast.version import VERSION

M = TypeVar("M", bound=BaseModel)

PATIENCE = 30.0
"""Seconds for one answer."""

API = "/api/v1"

_EXAMPLE = "For example: --url http://127.0.0.1:8600"

_INPUT: dict[str, type[e.InvalidInput]] = {
    kind.code: kind
    for kind in (e.InvalidArguments, e.InvalidQuery, e.UnknownJobType, e.TooLarge, e.InvalidInput)
}


class RemoteBackend:
    """Answers from a server. HOLDFAST_TOKEN, where it is set, is sent as the bearer."""

    def __init__(self, url: str) -> None:
        self.place = masked(url.rstrip("/"))
        self.headers = {"User-Agent": f"holdfast/{VERSION}"}
        token = os.environ.get("HOLDFAST_TOKEN")
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        try:
            self._http = httpx.Client(base_url=url.rstrip("/"), headers=self.headers, timeout=PATIENCE)
        except (httpx.InvalidURL, ValueError):  # its words quote what may be the password
            raise CliError(f"{self.place!r} is not the address of a server.", _EXAMPLE) from None
        if self._http.base_url.scheme not in ("http", "https"):
            raise CliError(f"{self.place!r} is not the address of a server.", _EXAMPLE)

    # -- jobs -------------------------------------------------------------------------------------------------------------

    def enqueue(
        self, type_: str, args: Mapping[str, Any], options: Mapping[str, Any]
    ) -> tuple[JobView, bool]:
        body: dict[str, Any] = {"type": type_, "args": dict(args), **options}
        key = body.pop("idempotency_key", None)
        if isinstance(body.get("run_at"), datetime):
            body["run_at"] = body["run_at"].isoformat()
        headers = {} if key is None else {"Idempotency-Key": key}
        answer = self._send("POST", "/jobs", json=body, headers=headers)
        return self._read(JobView, answer), "idempotent-replayed" not in answer.headers

    def job(self, job_id: str) -> JobView:
        return self._read(JobView, self._send("GET", f"/jobs/{_quoted(job_id)}"))

    def search(self, q: str, *, sort: str, limit: int, cursor: str | None) -> JobPage:
        parameters = {"q": q, "sort": sort, "limit": limit, **({"cursor": cursor} if cursor else {})}
        return self._read(JobPage, self._send("GET", "/jobs", params=parameters))

    def history(self, job_id: str) -> list[HistoryView]:
        return self._read_list(HistoryView, self._send("GET", f"/jobs/{_quoted(job_id)}/history"))

    def logs(self, job_id: str, *, after: int, limit: int) -> LogPage:
        page = {"after": after, "limit": limit}
        return self._read(LogPage, self._send("GET", f"/jobs/{_quoted(job_id)}/logs", params=page))

    def act(self, job_id: str, action: Action, reason: str | None) -> JobView:
        path = f"/jobs/{_quoted(job_id)}"
        if action is Action.DELETE:
            return self._read(JobView, self._send("DELETE", path))
        return self._read(JobView, self._send("POST", f"{path}/{action}", json={"reason": reason}))

    def act_on_all(self, action: Action, q: str, *, dry_run: bool, reason: str | None) -> BulkView:
        body = {"action": action, "q": q, "dry_run": dry_run, "reason": reason}
        answer = self._send("POST", "/jobs/actions", json=body)
        found = self._read(BulkView, answer)
        if answer.json().get("error"):
            words = (
                f"{found.done:,} are done, {found.refused:,} refused, then it ended: {answer.json()['error']}"
            )
            raise CliError(words, "It is safe to repeat.", ExitCode.PARTLY)
        return found

    # -- the rest of the house --------------------------------------------------------------------------------------------

    def queues(self) -> list[QueueView]:
        return self._read_list(QueueView, self._send("GET", "/queues"))

    def pause_queue(self, name: str, reason: str | None) -> QueueView:
        return self._read(
            QueueView, self._send("POST", f"/queues/{_quoted(name)}/pause", json={"reason": reason})
        )

    def resume_queue(self, name: str) -> QueueView:
        return self._read(QueueView, self._send("POST", f"/queues/{_quoted(name)}/resume"))

    def types(self) -> list[TypeView]:
        return self._read_list(TypeView, self._send("GET", "/job-types"))

    def type(self, name: str) -> TypeView:
        return self._read(TypeView, self._send("GET", f"/job-types/{_quoted(name)}"))

    def workers(self) -> list[WorkerView]:
        return self._read_list(WorkerView, self._send("GET", "/workers"))

    def drain_worker(self, worker_id: str) -> WorkerView:
        return self._read(WorkerView, self._send("POST", f"/workers/{_quoted(worker_id)}/drain"))

    def stats(self) -> StatsView:
        return self._read(StatsView, self._send("GET", "/stats"))

    def openapi(self) -> dict[str, Any]:
        return self.get("/openapi.json").json()

    @contextmanager
    def listen(self, q: str) -> Generator[ChangeSignal]:
        changes = EventStreamSignal(self._http, f"{API}/events", {"q": q})
        try:
            yield changes
        finally:
            changes.close()

    def close(self) -> None:
        self._http.close()

    # -- how it is asked --------------------------------------------------------------------------------------------------

    def get(self, path: str) -> httpx.Response:
        """What the server answers at a path outside of the API, for example its health."""
        return self._ask("GET", path)

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._ask(method, API + path, **more)

    def _ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            hint = (
                "Is it running? Start one: holdfast up --app module:app. Or ask the store: leave --url out."
            )
            raise Unreachable(
                f"The server {self.place} does not answer: {reason}", hint, ExitCode.UNREACHABLE
            ) from error
        if answer.is_error:
            raise self._error(answer)
        return answer

    def _error(self, answer: httpx.Response) -> Exception:
        try:
            body: dict[str, Any] = answer.json()
            detail = str(body["detail"])
        except (ValueError, KeyError, TypeError):
            return self._stranger(answer)
        code = str(body.get("code", ""))
        problems = [e.Problem(tuple(item["loc"]), str(item["msg"])) for item in body.get("errors", ())]
        match answer.status_code:
            case 401 | 403:
                return CliError(detail, "Set HOLDFAST_TOKEN to a token of this server.", ExitCode.FORBIDDEN)
            case 404:
                return e.NotFound(detail)
            case 409:
                return e.Conflict(detail)
            case 400 | 413 | 422:
                return _INPUT.get(code, e.InvalidInput)(detail, problems)
            case 502 | 503 | 504:
                return e.StorageUnavailable(detail)
            case _:
                return CliError(
                    f"The server answered {answer.status_code}: {detail}", "See its log.", ExitCode.FAILED
                )

    def _stranger(self, answer: httpx.Response) -> CliError:
        words = f"{self.place} answered {answer.status_code} in a form that is not Holdfast's."
        return Unreachable(
            words, "Is it the address of a Holdfast server, without /api/v1?", ExitCode.UNREACHABLE
        )

    def _read(self, kind: type[M], answer: httpx.Response) -> M:
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError:
            raise self._stranger(answer) from None

    def _read_list(self, kind: type[M], answer: httpx.Response) -> list[M]:
        try:
            return [kind.model_validate(item) for item in answer.json()["items"]]
        except (ValidationError, ValueError, KeyError, TypeError):
            raise self._stranger(answer) from None


class Unreachable(CliError):
    """The server does not answer; worth another try while a job is watched."""


def _quoted(name: str) -> str:
    return quote(name, safe="")
