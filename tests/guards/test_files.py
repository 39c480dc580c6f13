"""What holds for every file: short, explained, finished, without dangerous calls, of no particular machine."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.guards.tree import PACKAGE, ROOT, files, modules, name_of, parsed, shown

MAX_LENGTH = 400
# A file that is longer, with the reason why it has no seam.
LONGER: dict[str, str] = {}

# Spelled in two parts where this file would find itself.
UNFINISHED = re.compile(r"\b(" + "TO" + "DO|FIX" + "ME|HA" + "CK|X" + r"XX)\b")
NOT_IMPORTED = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle"}
NOT_CALLED = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "yaml.load",
    "yaml.unsafe_load",
    "subprocess.getoutput",
}
NO_REASON_TO_EXIST = {"utils", "util", "helpers", "helper", "misc", "common", "tools"}

MACHINE_PATH = re.compile(
    r"(?<![\w.:])/(?:wor" + "k|ro" + "ot|fa" + r"rm|Users)/\w|/home/(?!user\b|you\b)\w+/"
)
REGISTRY_HOST = re.compile(
    "|".join(
        re.escape(host)
        for host in (
            "py" + "pi.org",
            "python" + "hosted.org",
            "npm" + "js.org",
            "npm" + "js.com",
            "deb." + "debian.org",
            "crates" + ".io",
        )
    )
)
BINARY = {".png", ".ico", ".db", ".woff2", ".gz", ".br", ".whl"}


def test_files_stay_short() -> None:
    long = {
        shown(path): len(path.read_text().splitlines()) for path in [*modules(), *modules(ROOT / "tests")]
    }
    over = {name: lines for name, lines in long.items() if lines > MAX_LENGTH and name not in LONGER}
    assert not over, f"over {MAX_LENGTH} lines; is there a seam? {over}"
    assert LONGER.keys() <= long.keys(), "an exception for a file that does not exist"


def test_every_module_says_why_it_exists() -> None:
    silent = [
        shown(path)
        for path in modules()
        if not re.match(r"\S.*?[.:…](\s|$)", ast.get_docstring(parsed(path)) or "", re.DOTALL)
    ]
    assert not silent, f"without a first sentence: {silent}"


def test_nothing_is_left_unfinished() -> None:
    marks = [
        f"{shown(path, number)}: {line.strip()}"
        for folder in ("src", "tests", "examples", "benchmarks")
        if (ROOT / folder).is_dir()
        for path in modules(ROOT / folder)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if UNFINISHED.search(line)
    ]
    assert not marks, "\n".join(marks)


def test_no_module_is_a_drawer_for_everything() -> None:
    drawers = [shown(path) for path in modules() if NO_REASON_TO_EXIST & set(name_of(path).split("."))]
    assert not drawers


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def dangers(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Code that runs what it is given, or reads a format that can."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
            )
            for name in names:
                if name.split(".")[0] in NOT_IMPORTED:
                    yield node.lineno, f"imports {name}"
        elif isinstance(node, ast.Call):
            name = dotted(node.func)
            if name in NOT_CALLED:
                yield node.lineno, f"calls {name}()"
            for word in node.keywords:
                if word.arg == "shell" and not (
                    isinstance(word.value, ast.Constant) and word.value.value is False
                ):
                    yield node.lineno, f"{name}(shell=…)"


def test_nothing_runs_what_it_is_given() -> None:
    found = [f"{shown(path, line)}: {what}" for path in modules() for line, what in dangers(parsed(path))]
    assert not found, "\n".join(found)


def test_each_danger_is_seen() -> None:
    sample = "import pickle\ndef f():\n    from marshal import loads\n    eval('1')\nrun('x', shell=True)\nos.system('x')"
    assert sorted(line for line, _ in dangers(ast.parse(sample))) == [1, 3, 4, 5, 6]


def test_no_file_knows_a_machine_or_a_registry() -> None:
    found: list[str] = []
    for path in files():
        if path.suffix in BINARY:
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if MACHINE_PATH.search(line) or REGISTRY_HOST.search(line):
                found.append(f"{shown(path, number)}: {line.strip()[:120]}")
    assert not found, "\n".join(found)


def test_paths_and_hosts_are_seen() -> None:
    assert MACHINE_PATH.search('open("/wor' + 'k/main/x")')
    assert MACHINE_PATH.search("in /ho" + "me/ann/project")
    assert not MACHINE_PATH.search("GET /jobs/wo" + "rk/1, src/wo" + "rk/main, https://host/ro" + "ot/x")
    assert REGISTRY_HOST.search("https://py" + "pi.org/simple")


def test_the_package_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()
