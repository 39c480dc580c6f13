"""What a running job may say and hear. Standard library and `core` only: it also runs in a plug-in's environment."""

from holdfast.context.context import JobContext

__all__ = ["JobContext"]
