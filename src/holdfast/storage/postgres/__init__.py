"""This exists so that a PostgreSQL server keeps the facts of Holdfast for any number of hosts."""
