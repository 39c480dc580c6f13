"""What people and programs see over HTTP: the REST API, the dashboard, the live updates."""
