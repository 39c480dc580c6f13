"""The backend that talks to a server over REST."""

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

REQUEST_TIMEOUT = 30.0
"""Seconds for one request."""

API = "/api/v1"

_EXAMPLE = "Example: --url http://127.0.0.1:8600"

_INPUT: dict[str, type[e.InvalidInput]] = {
    kind.code: kind
    for kind in (e.InvalidArguments, e.InvalidQuery, e.UnknownJobType, e.TooLarge, e.InvalidInput)
}


class RemoteBackend:
    """A server. HOLDFAST_TOKEN, when it is set, is sent as bearer token."""

    def __init__(self, url: str) -> None:
        self.place = masked(url.rstrip("/"))
        self.headers = {"User-Agent": f"holdfast/{VERSION}"}
        token = os.environ.get("HOLDFAST_TOKEN")
        if token:
            self.headers["Authorization"] = f"Bearer {token}"
        try:
            self._http = httpx.Client(base_url=url.rstrip("/"), headers=self.headers, timeout=REQUEST_TIMEOUT)
        except (httpx.InvalidURL, ValueError):  # its message may quote the password
            raise CliError(f"{self.place!r} is not a URL of a server.", _EXAMPLE) from None
        if self._http.base_url.scheme not in ("http", "https"):
            raise CliError(f"{self.place!r} is not a URL of a server.", _EXAMPLE)

    # -- jobs -------------------------------------------------------------------------------------------------------------

    def enqueue(
        self, type_: str, args: Mapping[str, Any], options: Mapping[str, Any]
    ) -> tuple[JobView, bool]:
        body: dict[str, Any] = {"type": type_, "args": dict(args), **options}
        key = body.pop("idempotency_key", None)
        if isinstance(body.get("run_at"), datetime):
            body["run_at"] = body["run_at"].isoformat()
        headers = {} if key is None else {"Idempotency-Key": key}
        response = self._send("POST", "/jobs", json=body, headers=headers)
        return self._read(JobView, response), "idempotent-replayed" not in response.headers

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
        response = self._send("POST", "/jobs/actions", json=body)
        found = self._read(BulkView, response)
        if response.json().get("error"):
            message = (
                f"Stopped after {found.done:,} done, {found.refused:,} refused: {response.json()['error']}"
            )
            raise CliError(message, "Safe to repeat.", ExitCode.PARTLY)
        return found

    # -- queues, types, workers --------------------------------------------------------------------------------------------

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

    # -- requests --------------------------------------------------------------------------------------------------

    def get(self, path: str) -> httpx.Response:
        """The response to a path outside of the API, for example its health."""
        return self._request("GET", path)

    def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        return self._request(method, API + path, **more)

    def _request(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            response = self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            hint = "Start one: holdfast up --app module:app. Or use the store directly: omit --url."
            raise Unreachable(
                f"No response from the server {self.place}: {reason}", hint, ExitCode.UNREACHABLE
            ) from error
        if response.is_error:
            raise self._error(response)
        return response

    def _error(self, response: httpx.Response) -> Exception:
        try:
            body: dict[str, Any] = response.json()
            detail = str(body["detail"])
        except (ValueError, KeyError, TypeError):
            return self._not_holdfast(response)
        code = str(body.get("code", ""))
        problems = [e.Problem(tuple(item["loc"]), str(item["msg"])) for item in body.get("errors", ())]
        match response.status_code:
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
                message = f"The server responded with {response.status_code}: {detail}"
                return CliError(message, "See the log of the server.", ExitCode.FAILED)

    def _not_holdfast(self, response: httpx.Response) -> CliError:
        message = f"{self.place} returned {response.status_code} and no response of Holdfast."
        return Unreachable(
            message, "Check the URL: that of a Holdfast server, without /api/v1.", ExitCode.UNREACHABLE
        )

    def _read(self, kind: type[M], response: httpx.Response) -> M:
        try:
            return kind.model_validate_json(response.content)
        except ValidationError:
            raise self._not_holdfast(response) from None

    def _read_list(self, kind: type[M], response: httpx.Response) -> list[M]:
        try:
            return [kind.model_validate(item) for item in response.json()["items"]]
        except (ValidationError, ValueError, KeyError, TypeError):
            raise self._not_holdfast(response) from None


class Unreachable(CliError):
    """The server cannot be reached; retried while a job is watched."""


def _quoted(name: str) -> str:
    return quote(name, safe="")
