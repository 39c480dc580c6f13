"""The verbs of a store, one small protocol for each concern; `holdfast.storage.protocol` is their sum."""
