"""Tables that follow the sources: the modules of a package, and the commands with their options."""

import ast
import importlib
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx


class Modules(Directive):
    """`.. modules:: package`: every module with the first sentence of its docstring."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """One table."""
        package = self.arguments[0]
        folder = Path(str(importlib.import_module(package).__file__)).parent
        names = {path: _name(path, folder) for path in sorted(folder.rglob("*.py")) if path.name != "__main__.py"}
        return [table(("module", "holds"), [(f"`{name}`", _summary(path)) for path, name in names.items()])]


class Commands(Directive):
    """`.. commands::`: every command of `ohmvert` with its options, as `--help` says them."""

    def run(self) -> list[nodes.Node]:
        """A section a command."""
        from typer.main import get_command

        from training.cli import app

        commands: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]
        return [node for name in sorted(commands) for node in self._command(name, commands[name])]

    def _command(self, name: str, command: Any) -> list[nodes.Node]:
        section = nodes.section(ids=[f"ohmvert-{name}"], names=[f"ohmvert {name}"])
        section += nodes.title(text=f"ohmvert {name}")
        section += nodes.paragraph("", "", *inlines(command.help))
        self.state.document.note_explicit_target(section, section)
        options = [_option(parameter) for parameter in command.params]
        if options:
            section += table(("option", "meaning"), options)
        return [section]


def _option(parameter: Any) -> tuple[str, str]:
    words = [*parameter.opts, *parameter.secondary_opts]
    shown = " ".join(f"`{word}`" for word in words) if words[0].startswith("-") else f"`{parameter.name.upper()}`"
    default = parameter.default
    told = default is not None and not callable(default) and not isinstance(default, bool) and not parameter.required
    end = f" Default: `{default}`." if told else " Required." if parameter.required else ""
    return shown, (getattr(parameter, "help", None) or "") + end


def _name(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def _summary(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> nodes.table:
    """A table of texts with `code` in backticks."""
    group = nodes.tgroup(cols=len(head))
    for _ in head:
        group += nodes.colspec(colwidth=1)
    group += nodes.thead("", _row(head))
    group += nodes.tbody("", *[_row(row) for row in rows])
    return nodes.table("", group)


def _row(texts: tuple[str, ...]) -> nodes.row:
    return nodes.row("", *[nodes.entry("", nodes.paragraph("", "", *inlines(text))) for text in texts])


def inlines(text: str) -> list[nodes.Node]:
    """Text and `code`."""
    parts = re.split(r"`([^`]+)`", text)
    return [nodes.literal(text=part) if k % 2 else nodes.Text(part) for k, part in enumerate(parts)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Add both directives."""
    app.add_directive("modules", Modules)
    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
