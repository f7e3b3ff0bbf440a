"""Fails the build for a public name without docstring, from the sources alone: nothing is imported."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

PACKAGES = ("circuits", "cosim", "training", "netlist_templates")
ROOT = Path(__file__).resolve().parents[2]

Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def undocumented(folder: Path) -> list[str]:
    """Modules, classes, functions, methods and properties under a package's folder that have no docstring.

    A name is public unless it, or what it stands in, starts with an underscore. A property's setter belongs to its
    getter, an overload to what it overloads, and a field of a dataclass to its class.
    """
    return [name for path in sorted(folder.rglob("*.py")) if _is_public(path.stem) for name in _in_file(path, folder)]


def _in_file(path: Path, folder: Path) -> Iterator[str]:
    parts = path.relative_to(folder.parent).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return _below(ast.parse(path.read_text(encoding="utf-8")), module)


def _below(node: ast.Module | Named, name: str) -> Iterator[str]:
    if not ast.get_docstring(node):
        yield name
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return  # what is inside a function is nobody else's
    for child in _definitions(node.body):
        yield from _below(child, f"{name}.{child.name}")


def _definitions(body: Iterable[ast.stmt]) -> Iterator[Named]:
    """Public definitions, those behind an `if` or `try` included."""
    for statement in body:
        if isinstance(statement, Named):
            if _is_public(statement.name) and not _belongs_to_another(statement):
                yield statement
        else:
            inner = [getattr(statement, part, []) for part in ("body", "orelse", "finalbody")]
            yield from _definitions(one for part in inner for one in part)


def _is_public(name: str) -> bool:
    return not name.startswith("_") or name == "__init__" or name == "__main__"


def _belongs_to_another(node: Named) -> bool:
    names = [ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list]
    return node.name == "__init__" or bool({"setter", "deleter", "overload"} & set(names))


def _check(app: Any) -> None:
    from sphinx.errors import ExtensionError

    missing = [name for package in PACKAGES for name in undocumented(ROOT / package)]
    if missing:
        raise ExtensionError(f"These public names have no docstring: {', '.join(missing)}")


def setup(app: Any) -> dict[str, bool]:
    """Check before the first page is read."""
    app.connect("builder-inited", _check)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
