"""What a process can be woken for by the commit of another one."""

from __future__ import annotations

from enum import StrEnum


class Topic(StrEnum):
    """What a commit has made true."""

    WORK = "work"  # a job may be claimable, or be due earlier than known
    CONTROL = "control"  # something is requested of a running job
    EVENTS = "events"  # anything has changed
