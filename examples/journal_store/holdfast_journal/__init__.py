"""A store for Holdfast on one append-only file: `journal:///path/to/file`. It shows the promises, not how to be fast.

Read `journal` (how facts are kept), `writer` (what the verbs change), `reader`, then `kind` (how a URL leads here).
"""
