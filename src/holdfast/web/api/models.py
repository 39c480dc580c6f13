"""This exists so that what the API takes in a body is declared once: for validation, and for the description in OpenAPI."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, FailFast, Field, model_validator

from holdfast.client.views import JobView
from holdfast.core.commands import Action
from holdfast.core.limits import MAX_REASON

MOST_JOBS = 10_000
MOST_FIELDS = 64


def _as_text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("must be a time in RFC 3339, for example 2026-11-20T14:00:00Z")
    return value


class Body(BaseModel):
    """A body: no value is taken for another type than it has, no field is taken that is not known."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def few_fields(cls, value: Any) -> Any:
        """Refuse at once what would make a report of a hundred thousand unknown fields."""
        if isinstance(value, dict) and len(value) > MOST_FIELDS:  # pyright: ignore[reportUnknownArgumentType]
            raise ValueError(f"has more than {MOST_FIELDS} fields; known are {', '.join(cls.model_fields)}")
        return value  # pyright: ignore[reportUnknownVariableType]


Text = Annotated[str, Field(strict=True)]
Whole = Annotated[int, Field(strict=True)]
Span = Annotated[
    Annotated[float, Field(strict=True)] | Text,
    Field(description="Seconds, or for example 500ms, 30s, 15m, 1h30m, 2d"),
]
Moment = Annotated[AwareDatetime, BeforeValidator(_as_text)]


class JobRequest(Body):
    """A job to enqueue. What is left out has the default of its type."""

    type: Text = Field(description="Name of the job type", examples=["count_to"])
    args: dict[str, Any] = Field(
        default_factory=dict[str, Any], description="Its arguments", examples=[{"n": 100}]
    )
    queue: Text | None = None
    priority: Whole | None = Field(None, description="Higher goes first")
    delay: Span | None = None
    run_at: Moment | None = Field(None, description="Not before this time; with its offset from UTC")
    owner: Text | None = None
    tags: list[Text] | None = None
    unique: Text | None = Field(
        None, description="At most one live job of the type holds this key; a second is not made"
    )
    retries: Whole | None = None
    timeout: Span | None = None
    keep: Span | None = Field(None, description='How long the ended job is kept: a duration, or "forever"')


class BulkRequest(Body):
    """Jobs to enqueue together: all of them, or none."""

    jobs: Annotated[list[JobRequest], FailFast(), Field(min_length=1, max_length=MOST_JOBS)]


class Reason(Body):
    """Why something is done; kept in the history of the job."""

    reason: Text | None = Field(None, max_length=MAX_REASON)


class ActionRequest(Body):
    """An action on all jobs that match a search."""

    action: Action
    q: Text = Field(description='Search text; "" means every job')
    dry_run: Annotated[bool, Field(strict=True)] = Field(False, description="Only count")
    reason: Text | None = Field(None, max_length=MAX_REASON)


class JobList(BaseModel):
    """Jobs that were enqueued together, in the order of the request; `created` = how many of them are new."""

    items: list[JobView]
    created: int
