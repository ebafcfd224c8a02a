"""No module of etude needs one that needs it: imports in functions and for types count as well."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src"


def modules(sources: Path) -> dict[str, Path]:
    """Return module → file of every package below a folder of sources."""
    found = {}
    for path in sources.rglob("*.py"):
        parts = path.relative_to(sources).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(module: str, path: Path, known: dict[str, Path]) -> set[str]:
    """Return the known modules that a file imports, wherever in it the import stands."""
    found: set[str] = set()
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join(filter(None, (*above, node.module)))
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                found.add(inner if inner in known else base)
    return {name for name in found if name in known and name != module}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return modules of which each needs the next and the last the first; none where there is none.

    The stack is a list: a chain of imports may be longer than Python lets functions nest.
    """
    done: set[str] = set()
    for start in sorted(graph):
        way: list[str] = []
        stack: list[tuple[str, Iterator[str]]] = [(start, iter(sorted(graph[start])))]
        while stack and start not in done:
            module, rest = stack[-1]
            if len(way) < len(stack):
                way.append(module)
            following = next((name for name in rest if name not in done), None)
            if following is None:
                done.add(module)
                stack.pop()
                way.pop()
            elif following in way:
                return [*way[way.index(following) :], following]
            else:
                stack.append((following, iter(sorted(graph[following]))))
    return []


def test_no_modules_need_each_other() -> None:
    known = modules(SOURCES)
    assert len(known) > 400
    graph = {name: imported(name, path, known) for name, path in known.items()}
    found = circle(graph)
    assert not found, "a circle of imports: " + " → ".join(found)


def test_a_circle_is_found_wherever_its_imports_stand(tmp_path: Path) -> None:
    package = tmp_path / "toy"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("from toy import b\n")
    (package / "b.py").write_text("def late():\n    from .c import thing\n")
    (package / "d.py").write_text("import toy.a\n")
    known = modules(tmp_path)

    def found() -> list[str]:
        return circle({name: imported(name, path, known) for name, path in known.items()})

    known["toy.c"] = package / "c.py"
    (package / "c.py").write_text("thing = 1\n")
    assert not found()
    (package / "c.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from toy import a\n"
    )
    assert found() == ["toy.a", "toy.b", "toy.c", "toy.a"]
