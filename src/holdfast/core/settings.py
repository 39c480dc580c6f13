"""The settings: one frozen value, checked as a whole, with all problems reported at once.

It is filled from defaults ← `holdfast.toml` ← `HOLDFAST_*` ← arguments by `holdfast.runtime.configure`; nothing here reads
a file or the environment.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from holdfast.core.duration import seconds


def _as_names(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _as_seconds(value: Any) -> Any:
    return seconds(value) if isinstance(value, str) else value


def _as_keep(value: Any) -> Any:
    return None if value in ("forever", "") else _as_seconds(value)


_ROOT_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[^/\s?#%\\\x00-\x1f\x7f]+)*")


def _checked_root_path(value: str) -> str:
    path = value.removesuffix("/")
    if not _ROOT_PATH.fullmatch(path):
        raise ValueError(
            "must be a path such as /holdfast: it begins with one /, and has no host, blanks, %, ? or #"
        )
    return path


RootPath = Annotated[str, AfterValidator(_checked_root_path)]
Names = Annotated[tuple[str, ...], BeforeValidator(_as_names)]
Seconds = Annotated[float, BeforeValidator(_as_seconds), Field(gt=0)]
Keep = Annotated[float | None, BeforeValidator(_as_keep)]


class Settings(BaseModel):
    """Every setting of Holdfast. Each can be set in `holdfast.toml` or, in capitals with `HOLDFAST_`, in the environment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    database_url: str = Field(
        default="",
        description="sqlite:///path, postgresql://user@host/database or mysql://user@host/database. "
        "Empty: holdfast.db in data_dir.",
    )
    data_dir: str = Field(
        default=".holdfast", description="Folder of the embedded database and of the wake-up files."
    )
    data_access: Literal["owner", "group"] = Field(
        default="owner",
        description="Who may use the embedded database: its owner only (folder 0700, files 0600), or its group too "
        "(2770, 0660).",
    )
    signals_url: str = Field(
        default="",
        description="How processes wake each other: redis://host, nats://host, postgresql://host/database, "
        "or poll: to look. Empty: what belongs to the database (files beside SQLite, LISTEN/NOTIFY of PostgreSQL, "
        "else poll:).",
    )
    durability: Literal["full", "normal"] = Field(
        default="full",
        description="full: acknowledged survives a power cut. normal: survives a crash of the process only.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="Address that the web server binds. Only loopback until sign-in exists.",
    )
    port: int = Field(default=8600, ge=0, le=65535, description="Port of the web server; 0 = any free one.")
    allowed_hosts: Names = Field(default=(), description="Further Host names that the web server accepts.")
    root_path: RootPath = Field(
        default="", description="Path prefix under which a proxy serves the web pages, for example /holdfast."
    )
    proxy_prefix: Literal["auto", "kept", "stripped"] = Field(
        default="auto",
        description="Whether the proxy passes root_path on in the path (kept) or removes it (stripped). auto: decided "
        "for each request by which of the two is an address of ours; set it where root_path itself is one, as /jobs.",
    )
    environment: str = Field(
        default="", description="Label shown in the top bar of every page, for example prod."
    )
    environment_color: Literal["", "red", "amber", "green", "blue", "grey"] = Field(
        default="", description="Colour of the line across the top of every page."
    )
    workers: int = Field(default=1, ge=-1, le=256, description="Worker processes; -1 = one per core.")
    concurrency: int = Field(default=100, ge=1, le=10_000, description="Jobs at once per worker process.")
    threads: int = Field(
        default=20, ge=1, le=1_000, description="Of these, plain `def` jobs at once per worker process."
    )
    children: int = Field(
        default=2, ge=1, le=256, description="Child processes per worker process for executor='process'."
    )
    queues: Names = Field(default=(), description="Queues that the worker serves; empty = all.")
    types: Names = Field(
        default=(), description="Globs of the job types that the worker serves; empty = all it knows."
    )
    poll_interval: Seconds = Field(default=1.0, description="Maximum seconds between two polls for work.")
    heartbeat_interval: Seconds = Field(
        default=5.0, description="Seconds between two heartbeats of a worker process."
    )
    lease: Seconds = Field(
        default=30.0, description="Seconds without a heartbeat after which a worker is taken for dead."
    )
    cancel_grace: Seconds = Field(
        default=10.0, description="Seconds a running job has to stop after a cancel, then force."
    )
    stop_grace: Seconds = Field(
        default=25.0, description="Seconds running jobs have to end or reach a checkpoint at shutdown."
    )
    retries: int = Field(
        default=10, ge=0, le=1_000, description="Retries of a failed job when its type does not say."
    )
    keep_succeeded: Keep = Field(
        default=86_400.0, description='Seconds that succeeded jobs are kept, or "forever".'
    )
    keep_failed: Keep = Field(default=None, description='Seconds that failed jobs are kept, or "forever".')
    keep_cancelled: Keep = Field(
        default=86_400.0, description='Seconds that cancelled jobs are kept, or "forever".'
    )
    capture_output: bool = Field(
        default=True,
        description="What jobs print and log goes to their consoles too. false: only what they write with ctx.log.",
    )
    log_format: Literal["console", "json"] = Field(
        default="console", description="How the processes write their own log."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Minimum log level."
    )
    log_requests: bool = Field(
        default=False, description="Log each request of the web server, at level info."
    )
