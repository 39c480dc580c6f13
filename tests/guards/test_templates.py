"""The dashboard keeps its content security policy: nothing inline, nothing from elsewhere, links that bear a prefix."""

from __future__ import annotations

import ast
import hashlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from holdfast.web.dashboard.assets import template_sources
from tests.guards.tree import DASHBOARD, modules, parsed, shown

TEMPLATES = sorted(path for path in DASHBOARD.rglob("*.html") if "vendor" not in path.parts)
STATIC = DASHBOARD / "static"
VENDOR = STATIC / "vendor"
SCRIPTS = sorted(path for path in STATIC.rglob("*.js") if "vendor" not in path.parts)
STYLES = sorted(path for path in STATIC.rglob("*.css") if "vendor" not in path.parts)

# Where text is marked as safe HTML: one file, small enough to be read whole in a review.
MAY_MARK_SAFE = {"markup.py"}

COMMENT = re.compile(r"\{#.*?#\}|<!--.*?-->", re.DOTALL)
TAG = re.compile(r"<[a-zA-Z](?:\{\{.*?\}\}|\{%.*?%\}|[^<>{]|\{(?![{%]))*>", re.DOTALL)
LINK = r"\b(?:href|src|action|formaction|poster|data|hx-(?:get|post|put|patch|delete|push-url|replace-url))\s*=\s*[\"']?\s*"

IN_A_TAG = {
    "an inline style": re.compile(r"\sstyle\s*=", re.IGNORECASE),
    "an inline event handler": re.compile(r"\son[a-z]+\s*=", re.IGNORECASE),
    "hx-on or hx-live, which run text as code": re.compile(r"\s(?:data-)?hx-(?:on|live)\b", re.IGNORECASE),
    "a filter in hx-trigger, which runs text as code": re.compile(
        r"hx-trigger\s*=\s*([\"'])(?:(?!\1).)*\[", re.DOTALL
    ),
    "js: in an hx- attribute, which runs text as code": re.compile(
        r"hx-[\w-]+\s*=\s*[\"']\s*js:", re.IGNORECASE
    ),
    "javascript: as an address": re.compile(r"javascript:", re.IGNORECASE),
    "an absolute address, lost behind a prefix": re.compile(LINK + r"/"),
}
ANYWHERE = {
    "|safe": re.compile(r"\|\s*safe\b"),
    "{% autoescape false %}": re.compile(r"\{%-?\s*autoescape\s+false", re.IGNORECASE),
    "a <style> block": re.compile(r"<style\b", re.IGNORECASE),
}
SCRIPT = re.compile(r"<script\b([^>]*)>", re.IGNORECASE)
ASSET = re.compile(
    r"<(?:script|img|link|iframe|source|video|audio|use|image)\b[^>]*(?:src|href)\s*=\s*[\"']?(?:https?:)?//"
)


def faults(text: str) -> Iterator[tuple[int, str]]:
    """What a template must not hold, with its line."""
    text = COMMENT.sub(lambda match: "\n" * match.group().count("\n"), text)

    def line(at: int) -> int:
        return text.count("\n", 0, at) + 1

    for tag in TAG.finditer(text):
        for what, pattern in IN_A_TAG.items():
            for match in pattern.finditer(tag.group()):
                yield line(tag.start() + match.start()), what
    for what, pattern in ANYWHERE.items():
        for match in pattern.finditer(text):
            yield line(match.start()), what
    for match in SCRIPT.finditer(text):
        if "src=" not in match[1] and not re.search(r"type\s*=\s*[\"']application/json[\"']", match[1]):
            yield line(match.start()), "an inline script"
    for match in ASSET.finditer(text):
        yield line(match.start()), "an asset from another host"


def test_templates_hold_nothing_that_the_policy_forbids() -> None:
    assert len(TEMPLATES) > 10
    found = [f"{shown(path, line)}: {what}" for path in TEMPLATES for line, what in faults(path.read_text())]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        '<p style="color: red">',
        '<p\n  class="a" onclick="go()">',
        '<p data-x="{{ a > b }}" style="x">',
        "<script>go()</script>",
        '<script type="module">go()</script>',
        '<a hx-on:click="go()">',
        '<a hx-live="go()">',
        """<a hx-trigger='click[ctrlKey]'>""",
        """<a hx-vals='js:{a: 1}'>""",
        '<a href="javascript:go()">',
        "{{ text | safe }}",
        "{{ text|safe }}",
        '<a href="/jobs">',
        "<form action='/jobs'>",
        '<button hx-post="/jobs/1/pause">',
        '<script src="https://cdn.example/x.js"></script>',
        '<img src="//cdn.example/x.png">',
        "<style>p {}</style>",
    ],
)
def test_each_fault_is_seen(text: str) -> None:
    assert list(faults(text))


@pytest.mark.parametrize(
    "text",
    [
        '<script type="application/json" id="x">{}</script>',
        "<script type=\"module\" src=\"{{ url('static', 'live.js') }}\"></script>",
        "<a href=\"{{ url('jobs') }}\">on=1, style=2</a>",
        '<a href="https://docs.example/">docs</a>',
        '<a hx-trigger="keyup changed delay:200ms">',
        "{# never style= here #}",
    ],
)
def test_what_is_fine_is_let_through(text: str) -> None:
    assert not list(faults(text))


NAMED = re.compile(r"""["']([\w./-]+\.html)["']""")
IMPORTED = re.compile(r"""\{%-?\s*from\s+"([^"]+)"\s+import\s+(.+?)(?:\s+with context)?\s*-?%\}""")
AS_MODULE = re.compile(r"""\{%-?\s*import\s+"([^"]+)"\s+as\s+(\w+)""")
CALLED = re.compile(r"""macros\("([^"]+)", \w+\)\.(\w+)""")


def test_every_template_and_macro_that_is_named_exists() -> None:
    sources = template_sources()
    assert len(sources) == len(TEMPLATES)
    environment = Environment()
    exported = {
        name: {macro.name for macro in environment.parse(text).find_all(nodes.Macro)}
        for name, text in sources.items()
    }
    named, missing = set[str](), list[str]()
    for path in [*TEMPLATES, *modules(DASHBOARD)]:
        text = path.read_text()
        names = set(NAMED.findall(text))
        named |= names
        missing += [f"{shown(path)}: {name}" for name in names - sources.keys()]
        wanted = [
            (name, macro.split(" as ")[0].strip())
            for name, macros in IMPORTED.findall(text)
            for macro in macros.split(",")
        ]
        wanted += CALLED.findall(text)
        for name, module in AS_MODULE.findall(text):
            wanted += [(name, macro) for macro in re.findall(rf"\b{module}\.(\w+)\(", text)]
        missing += [
            f"{shown(path)}: {macro} of {name}"
            for name, macro in wanted
            if macro not in exported.get(name, ())
        ]
    assert not missing, "\n".join(missing)
    assert named == sources.keys(), f"not used: {sources.keys() - named}"


def test_text_is_marked_as_html_in_one_file_only() -> None:
    wrong = [
        shown(path, node.lineno)
        for path in modules(DASHBOARD)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "id", "") == "Markup" or getattr(node.func, "attr", "") == "Markup")
        and path.name not in MAY_MARK_SAFE
    ]
    assert not wrong, "\n".join(wrong)


def test_own_scripts_run_no_text_and_fetch_nothing_from_elsewhere() -> None:
    assert SCRIPTS
    forbidden = re.compile(
        r"\beval\s*\(|new\s+Function\b|document\.write|setTimeout\s*\(\s*[\"'`]|\bimport\b[^;\n]*[\"']https?:"
        r"|fetch\s*\(\s*[\"'`](?:https?:)?//|\.style\.cssText|setAttribute\s*\(\s*[\"']style"
    )
    found = [
        f"{shown(path, number)}: {line.strip()[:100]}"
        for path in SCRIPTS
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if forbidden.search(line)
    ]
    assert not found, "\n".join(found)


def test_own_styles_load_nothing_from_elsewhere() -> None:
    assert STYLES
    wrong = [
        shown(path)
        for path in STYLES
        if re.search(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", path.read_text())
    ]
    assert not wrong


def test_vendored_files_are_as_published() -> None:
    entries = tomllib.loads((VENDOR / "vendor.toml").read_text())["file"]
    assert entries
    for entry in entries:
        assert {"name", "version", "licence"} <= entry.keys()
        digest = hashlib.sha256((VENDOR / entry["path"]).read_bytes()).hexdigest()
        assert digest == entry["sha256"], (
            f"{entry['path']} is not what {entry['name']} {entry['version']} published"
        )


def test_every_vendored_file_is_named_with_its_licence() -> None:
    entries = tomllib.loads((VENDOR / "vendor.toml").read_text())["file"]
    named = {Path(entry["path"]) for entry in entries}
    licences = {Path(entry["licence_file"]) for entry in entries}
    assert all((VENDOR / path).is_file() for path in licences)
    present = {path.relative_to(VENDOR) for path in VENDOR.rglob("*") if path.is_file()}
    strangers = {
        path
        for path in present - named - licences
        if path.suffix in {".js", ".css", ".svg", ".map", ".woff2"}
    }
    assert not strangers, f"vendored without a line in vendor.toml: {strangers}"
