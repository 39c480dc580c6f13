"""Benchmarks: what Holdfast costs beside its rivals and beside the plain database, in the same run.

Run with ``python -m benchmarks``; ``benchmarks/README.md`` says what each figure means. Nothing here is part
of the distribution, and no test depends on a figure.
"""
