"""The overview, and the first steps while the store is empty."""
