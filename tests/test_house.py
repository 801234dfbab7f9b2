"""The house keeps its shape: who may import what, who may speak, how large a room may be, what lies at the top."""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "venvkit"
TOP_LEVEL = {
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "docs",
    "mkdocs.yml",
    "pyproject.toml",
    "specs",
    "tests",
    "venvkit",
}
# Each room may import itself and the rooms before it; the rooms of a tuple stand side by side.
ROOMS = (
    "errors", "events", "base", "settings", "host", "spec", "catalogue", "plan", "formats", "proof", "tools", "store",
    "launch", "api", ("fleet", "lint", "integrations"), "cli",
)  # fmt: skip
# The same inside rooms that have rooms of their own.
ROOMS_OF_STORE = ("layout", "disk", "lock", "look", "env", "shell", "change", "collect")
MODULE_LINES = 400
FUNCTION_LINES = 50
PARAMETERS = 9
# Run by another interpreter, as a script whose answer is what it prints.
SCRIPTS = {"venvkit/host/_probe.py", "venvkit/base/prepare.py"}
# In parts, or this file would name them itself.
REGISTRIES = [".".join(parts) for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"))] + [
    ".".join(parts) for parts in (("npmjs", "com"), ("deb", "debian", "org"), ("security", "debian", "org"))
]


def modules(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*.py") if "__pycache__" not in path.parts)


def dotted(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def statements_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield what runs when the module is imported: not the bodies of functions, not what only checkers read."""
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from statements_at_import(node.orelse)
            continue
        yield node
        for name in ("body", "orelse", "finalbody"):
            yield from statements_at_import(getattr(node, name, []))
        for handler in getattr(node, "handlers", []):
            yield from statements_at_import(handler.body)


def run_time_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """Yield `node` and all below it that may run, now or later: not what only checkers read."""
    yield node
    checkers_only = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    for child in node.orelse if isinstance(node, ast.If) and checkers_only else ast.iter_child_nodes(node):
        yield from run_time_nodes(child)


def imported(node: ast.AST, names: set[str]) -> set[str]:
    """Return the modules among `names` that one import statement loads by name."""
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names} & names
    if isinstance(node, ast.ImportFrom) and node.module:
        submodules = {f"{node.module}.{alias.name}" for alias in node.names} & names
        # `from package import submodule` loads the package too, but needs nothing that its body defines.
        whole = len(submodules) == len(node.names)
        return submodules if whole else submodules | ({node.module} & names)
    return set()


def import_graph(package: Path) -> dict[str, set[str]]:
    paths = {dotted(path, package): path for path in modules(package)}
    names = set(paths)
    return {
        name: {target for node in statements_at_import(parse(path).body) for target in imported(node, names)}
        for name, path in paths.items()
    }


def all_imports(package: Path) -> set[tuple[str, str]]:
    """Return every import of one module of a package by another, inside functions and for checkers only as well."""
    paths = {dotted(path, package): path for path in modules(package)}
    names = set(paths)
    return {
        (name, target)
        for name, path in paths.items()
        for node in ast.walk(parse(path))
        for target in imported(node, names)
        if target != name
    }


def upward(package: Path, rooms: tuple[str | tuple[str, ...], ...], prefix: str) -> set[str]:
    """Return the imports that run against the order of the rooms below `prefix`.

    A module in none of the rooms counts too, because it has no place, and so does an import of the package itself,
    which stands above all of its rooms.
    """
    steps = [(room,) if isinstance(room, str) else room for room in rooms]
    place = {f"{prefix}.{room}": number for number, step in enumerate(steps) for room in step}
    parts = prefix.count(".") + 2

    def room_of(module: str) -> str:
        return ".".join(module.split(".")[:parts])

    return {
        f"{module} -> {target}"
        for module, target in all_imports(package)
        if module.startswith(f"{prefix}.") and not module.endswith(".__main__") and target.startswith(prefix)
        if room_of(module) != room_of(target)
        if place.get(room_of(target), len(steps)) >= place.get(room_of(module), -1)
    }


def cycle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def relative_imports(package: Path) -> list[str]:
    return [
        f"{dotted(path, package)}:{node.lineno}"
        for path in modules(package)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]


def importers(package: Path, module: str) -> set[str]:
    return {
        str(path.relative_to(package.parent))
        for path in modules(package)
        for node in run_time_nodes(parse(path))
        if (isinstance(node, ast.Import) and module in {alias.name.partition(".")[0] for alias in node.names})
        or (isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == module)
    }


def speakers(package: Path) -> set[str]:
    """Return the modules that print, write to the standard streams or end the process."""
    found = set()
    for path in modules(package):
        for node in ast.walk(parse(path)):
            text = ast.unparse(node) if isinstance(node, (ast.Name, ast.Attribute)) else ""
            if text in {"sys.stdout", "sys.stderr", "sys.__stdout__", "sys.__stderr__", "sys.exit", "os._exit"} or (
                isinstance(node, ast.Call) and ast.unparse(node.func) in {"print", "exit", "quit"}
            ):
                found.add(str(path.relative_to(package.parent)))
    return found


def function_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the length of a function without its docstring, which may be as long as it is useful."""
    first = node.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


def parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [item.arg for item in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def oversized(package: Path) -> list[str]:
    found = []
    for path in modules(package):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MODULE_LINES:
            found.append(f"{dotted(path, package)}: {lines} lines")
        found += [
            f"{dotted(path, package)}.{node.name}: {function_lines(node)} lines"
            for node in ast.walk(parse(path))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and function_lines(node) > FUNCTION_LINES
        ]
        found += [
            f"{dotted(path, package)}.{node.name}: {parameters(node)} parameters"
            for node in ast.walk(parse(path))
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and parameters(node) > PARAMETERS
        ]
    return found


def without_docstring(package: Path) -> list[str]:
    return [dotted(path, package) for path in modules(package) if not ast.get_docstring(parse(path))]


def ignored(name: str) -> bool:
    patterns = [line.strip().rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()]
    return any(fnmatch.fnmatch(name, pattern) for pattern in patterns if pattern)


def tracked_files(directory: Path) -> Iterator[Path]:
    """Yield the files that belong to the project, without asking git, which an unpacked archive does not have."""
    for path in sorted(directory.iterdir()):
        if path.name == ".git" or ignored(path.name) or path.is_symlink():
            continue
        if path.is_dir():
            yield from tracked_files(path)
        else:
            yield path


def naming_a_registry(files: Iterator[Path]) -> list[str]:
    return [
        f"{path}: {registry}"
        for path in files
        for registry in REGISTRIES
        if registry in path.read_bytes().decode("utf-8", "replace").lower()
    ]


def test_modules_do_not_import_one_another_in_a_cycle() -> None:
    graph = import_graph(PACKAGE)
    assert sum(len(targets) for targets in graph.values()) > 20, "the graph is not read"
    assert cycle(graph) == []


def test_no_import_runs_up_in_the_order_of_the_rooms() -> None:
    assert upward(PACKAGE, ROOMS, "venvkit") == set()


def test_no_import_runs_up_in_the_order_of_the_rooms_of_the_store() -> None:
    assert upward(PACKAGE, ROOMS_OF_STORE, "venvkit.store") == set()


def test_nothing_is_loose_at_the_top_of_the_package() -> None:
    rooms = {room for step in ROOMS for room in ((step,) if isinstance(step, str) else step)}
    loose = {path.stem for path in PACKAGE.glob("*.py")}
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir() and not ignored(path.name)}
    assert loose == {"__init__", "__main__", "errors", "events"}
    assert folders <= rooms - loose


def test_tests_lie_in_the_rooms_that_they_are_of() -> None:
    rooms = {room for step in ROOMS for room in ((step,) if isinstance(step, str) else step)}
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not ignored(path.name)}
    assert folders - rooms == {"bench", "faults"}
    assert {path.name for path in (ROOT / "tests").glob("test_*.py")} == {"test_house.py"}


def test_imports_are_absolute() -> None:
    assert relative_imports(PACKAGE) == []


def test_only_the_runner_starts_processes() -> None:
    assert importers(PACKAGE, "subprocess") == {"venvkit/base/process.py"}


def test_only_the_command_line_speaks() -> None:
    spoken = {name for name in speakers(PACKAGE) if not name.startswith("venvkit/cli/")}
    assert spoken - SCRIPTS - {"venvkit/__main__.py"} == set()


def test_rooms_and_thoughts_stay_small() -> None:
    assert oversized(PACKAGE) == []


def test_every_module_says_what_it_holds() -> None:
    assert without_docstring(PACKAGE) == []


def test_no_file_names_a_package_registry() -> None:
    assert naming_a_registry(tracked_files(ROOT)) == []


def test_the_top_level_is_as_agreed() -> None:
    present = {path.name for path in ROOT.iterdir() if not path.name.startswith(".") and not ignored(path.name)}
    assert present == TOP_LEVEL


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    """A package that breaks the rules, to see that the checks above can fail."""
    files = {
        "__init__.py": "",
        "a.py": '"""A."""\nfrom sample import b\n',
        "b.py": '"""B."""\ntry:\n    import sample.c\nexcept ImportError:\n    import subprocess\n',
        "c.py": '"""C."""\nfrom sample.a import name\nprint(1)\n',
        "quiet.py": '"""Q."""\ndef late():\n    from sample import quiet2\n    import subprocess\n',
        "quiet2.py": '"""Q."""\nfrom sample import quiet\nif TYPE_CHECKING:\n    import subprocess, sample.late\n',
        "late.py": '"""L."""\nfrom . import quiet2\nimport sample.quiet2\nimport sys\nsys.stderr.write("x")\n',
        "long.py": '"""L."""\ndef f():\n    """' + "\n" * 60 + '"""\n' + "    x = 1\n" * 50,
        "wide.py": '"""W."""\n' + "x = 1\n" * 400,
    }
    package = tmp_path / "sample"
    package.mkdir()
    for name, text in files.items():
        (package / name).write_text(text, encoding="utf-8")
    return package


def test_a_cycle_would_be_found(sample: Path) -> None:
    assert set(cycle(import_graph(sample))) == {"sample.a", "sample.b", "sample.c"}
    (sample / "c.py").write_text('"""C."""\n', encoding="utf-8")
    assert cycle(import_graph(sample)) == []


def test_an_import_that_runs_up_would_be_found(sample: Path) -> None:
    for name, text in {
        "low/__init__.py": '"""L."""\n',
        "low/lazy.py": '"""L."""\ndef late():\n    from sample.high import end\n',
        "low/typed.py": '"""T."""\nif TYPE_CHECKING:\n    from sample.high.end import thing\nimport sample\n',
        "high/__init__.py": '"""H."""\n',
        "high/end.py": '"""E."""\nfrom sample.low.lazy import late\nfrom sample.side import other\n',
        "side/__init__.py": '"""S."""\n',
        "side/other.py": '"""O."""\nimport sample.nowhere.at_all\n',
        "nowhere/__init__.py": '"""N."""\n',
        "nowhere/at_all.py": '"""A."""\n',
    }.items():
        (sample / name).parent.mkdir(exist_ok=True)
        (sample / name).write_text(text, encoding="utf-8")
    up = {"sample.low.lazy -> sample.high.end", "sample.low.typed -> sample.high.end", "sample.low.typed -> sample"}
    beside = {"sample.high.end -> sample.side.other"}
    lost = {"sample.side.other -> sample.nowhere.at_all"}
    loose = {"a", "b", "c", "quiet", "quiet2", "late", "long", "wide"}
    found = upward(sample, ("low", ("high", "side")), "sample")
    rooms = {item for item in found if item.split(".")[1].split(" ")[0] not in loose}
    assert rooms == up | beside | lost
    assert upward(sample, ("low", "side", "high", "nowhere"), "sample") & beside == set()


def test_broken_rules_would_be_found(sample: Path) -> None:
    assert importers(sample, "subprocess") == {"sample/b.py", "sample/quiet.py"}
    assert speakers(sample) == {"sample/c.py", "sample/late.py"}
    assert oversized(sample) == ["sample.long.f: 51 lines", "sample.wide: 401 lines"]
    many = ", ".join(f"p{number}" for number in range(9))
    (sample / "quiet.py").write_text(f"def f({many}, *, q): ...\ndef g(self, {many}): ...\n", encoding="utf-8")
    assert "sample.quiet.f: 10 parameters" in oversized(sample)
    assert without_docstring(sample) == ["sample", "sample.quiet"]
    assert relative_imports(sample) == ["sample.late:2"]
    (sample / "data.json").write_text('"https://' + REGISTRIES[0].upper() + '/simple"', encoding="utf-8")
    assert naming_a_registry(tracked_files(sample)) == [f"{sample / 'data.json'}: {REGISTRIES[0]}"]
