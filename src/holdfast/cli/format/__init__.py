"""How output looks: tables, texts of a job, JSON and lines."""
