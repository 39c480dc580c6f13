"""What a running job may say and hear. Standard library and `core` only: it also runs in a plug-in's environment."""

from holdfast.context.context import JobContext
from holdfast.context.saved import Migrate

__all__ = ["JobContext", "Migrate"]
