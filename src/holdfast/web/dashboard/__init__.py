"""The dashboard: pages, their live fragments, and static files."""
