"""The tables that are written rarely, each in one module of plain SQL for all databases."""
