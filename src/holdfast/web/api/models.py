"""The bodies that the API accepts, for validation and for OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, FailFast, Field, model_validator

from holdfast.client.views import JobView
from holdfast.core.commands import Action
from holdfast.core.sizes import MAX_REASON, MAX_TAGS
from holdfast.web.api.shapes import Delay, Keep, Key, Moment, Name, Note, Priority, Retries, Search, Timeout

MAX_JOBS = 10_000
MAX_FIELDS = 64


class Body(BaseModel):
    """A body: values are not converted to other types, unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def few_fields(cls, value: Any) -> Any:
        """Refuse a body that would cause a report of a hundred thousand unknown fields."""
        if isinstance(value, dict) and len(value) > MAX_FIELDS:  # pyright: ignore[reportUnknownArgumentType]
            raise ValueError(f"has more than {MAX_FIELDS} fields; known are {', '.join(cls.model_fields)}")
        return value  # pyright: ignore[reportUnknownVariableType]


_GIVEN = {"not": {"type": "null"}}
_BOTH: dict[str, Any] = {"required": ["delay", "run_at"], "properties": {"delay": _GIVEN, "run_at": _GIVEN}}


class JobRequest(Body):
    """A job to enqueue. What is left out has the default of its type. `delay` and `run_at` exclude each other."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"not": _BOTH})

    type: Name = Field(description="Name of the job type", examples=["count_to"])
    args: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="Its arguments", examples=[{"n": 100}]
    )
    queue: Name | None = None
    priority: Priority | None = Field(None, description="Higher goes first")
    delay: Delay = None
    run_at: Moment | None = Field(None, description="Not before this time; with its offset from UTC")
    owner: Name | None = None
    tags: Annotated[list[Name], Field(json_schema_extra={"maxItems": MAX_TAGS})] | None = None
    unique: Key | None = Field(
        None, description="At most one live job of the type holds this key; a second is not made"
    )
    retries: Retries | None = None
    timeout: Timeout = None
    keep: Keep = None


class BulkRequest(Body):
    """Jobs to enqueue together: all of them, or none."""

    jobs: Annotated[list[JobRequest], FailFast(), Field(min_length=1, max_length=MAX_JOBS)]


class Reason(Body):
    """Why an action is done; kept in the history of the job."""

    reason: Note | None = Field(None, max_length=MAX_REASON)


class ActionRequest(Body):
    """An action on all jobs that match a search."""

    action: Action
    q: Search = Field(description='Search text; "" means every job')
    dry_run: Annotated[bool, Field(strict=True)] = Field(False, description="Only count")
    reason: Note | None = Field(None, max_length=MAX_REASON)


class JobList(BaseModel):
    """Jobs that were enqueued together, in the order of the request; `created` = how many of them are new."""

    items: list[JobView]
    created: int
