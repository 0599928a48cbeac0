"""Floors, cycles, printing, file access, import time."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "skdeconv"
MODULES = sorted(PACKAGE.rglob("*.py"))

FLOORS = {
    "exceptions": 0,
    "_params": 0,
    "_images": 0,
    "_companions": 0,
    "_io": 0,
    "_ranges": 0,
    "_warnings": 0,
    "operators": 1,
    "metrics": 1,
    "solvers": 2,
    "estimation": 2,
    "networks": 2,
    "degradations": 2,
    "datasets": 2,
    "restorers": 3,
    "neural": 4,
    "hybrid": 5,
    "meta": 5,
    "benchmark": 6,
    "inspection": 6,
    "cli": 7,
    "testing": 7,
    "__main__": 8,
    "__init__": 9,
}
WITHOUT_SKLEARN = {"operators", "solvers", "estimation", "networks"}


def name_of(path):
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts)


def room_of(name):
    return name.split(".")[0]


def imports_of(path):
    """Absolute names that a module imports, wherever in the file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)} imports relatively"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_come_from_lower_floors(path):
    room = room_of(name_of(path))
    assert room in FLOORS, f"{room} has no floor"
    if room == "__init__":
        return
    for imported in imports_of(path):
        head, _, rest = imported.partition(".")
        if head != "skdeconv" or not rest:
            continue
        other = room_of(rest)
        if other in FLOORS and other != room:
            # The ground floor is one room of several modules.
            below = FLOORS[other] < FLOORS[room] or FLOORS[room] == 0
            assert below, f"{name_of(path)} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_numerics_do_not_know_sklearn(path):
    if room_of(name_of(path)) in WITHOUT_SKLEARN:
        heads = {imported.split(".")[0] for imported in imports_of(path)}
        assert "sklearn" not in heads


def test_no_cycles():
    graph = {}
    for path in MODULES:
        name = name_of(path)
        if name.endswith("__init__"):
            continue
        targets = {i.removeprefix("skdeconv.") for i in imports_of(path)}
        graph[name] = {
            t for t in targets if (PACKAGE / (t.replace(".", "/") + ".py")).exists()
        }
    done, path_now = set(), []

    def visit(name):
        assert name not in path_now, f"cycle: {[*path_now, name]}"
        if name in done:
            return
        path_now.append(name)
        for target in graph.get(name, ()):
            visit(target)
        path_now.pop()
        done.add(name)

    for name in graph:
        visit(name)


def calls_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            yield getattr(function, "id", None) or getattr(function, "attr", None), node


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_command_line_prints_and_opens(path):
    name = name_of(path)
    for called, node in calls_of(path):
        is_name = isinstance(node.func, ast.Name)
        if called == "print" and is_name:
            assert room_of(name) == "cli", f"{name}:{node.lineno} prints"
        if (called == "open" and is_name) or called in ("write_text", "write_bytes"):
            allowed = room_of(name) == "cli" or path.name == "_io.py"
            assert allowed, f"{name}:{node.lineno} opens a file"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_the_shim_knows_private_validation(path):
    if name_of(path) != "_params":
        assert not any("_param_validation" in i for i in imports_of(path))


def test_import_is_lazy_and_fast():
    code = (
        "import time, sys, numpy; start = time.perf_counter(); import skdeconv; "
        "print(time.perf_counter() - start, 'torch' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    ).stdout.split()
    assert float(out[0]) < 0.3
    assert out[1] == "False"
