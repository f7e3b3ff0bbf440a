"""Fenced blocks, indented blocks and code words of a Markdown page, as the tests of the documentation run them."""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from typer.main import get_command

from training.cli import app

ROOT = Path(__file__).resolve().parents[1]
SHELL = ("sh", "console")
COMMAND = re.compile(r"(\.venv/bin/|make|ohmvert|python|pip|ngspice|dask|helm|kubectl)\b")
"""How a line begins that is a command wherever it stands."""


@dataclass(frozen=True)
class Snippet:
    """One block of code."""

    page: str
    line: int
    language: str
    """As the fence says it; empty for a fence that says none, 'indented' for a block without fence."""
    words: tuple[str, ...]
    """What follows the language: a file's name, or `exit=2`."""
    text: str

    @property
    def first(self) -> str:
        """Its first line that says something."""
        return next((line.strip() for line in self.text.splitlines() if line.strip()), "")

    @property
    def is_shell(self) -> bool:
        """Whether its lines are commands."""
        return self.language in SHELL or (self.language == "indented" and bool(COMMAND.match(self.first)))

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block, continued lines joined, comments and the folder of the programs left out."""
        joined = self.text.replace("\\\n", " ")
        lines = [re.sub(r"(^|\s+)#.*$", "", line).strip() for line in joined.splitlines()]
        return [" ".join(line.removeprefix("$ ").replace(".venv/bin/", "").split()) for line in lines if line]

    @property
    def exit(self) -> int:
        """Exit code that its last command is to have."""
        return next((int(word.removeprefix("exit=")) for word in self.words if word.startswith("exit=")), 0)

    @property
    def file(self) -> str | None:
        """The file that it is."""
        return next((word for word in self.words if "=" not in word), None)


def snippets(path: Path) -> list[Snippet]:
    """Every block of a page in its order; directives of the documentation tool, ```{name}, are none."""
    tokens = MarkdownIt().parse(path.read_text(encoding="utf-8"))
    blocks = [token for token in tokens if token.type in ("fence", "code_block") and not token.info.startswith("{")]
    return [_snippet(path, token) for token in blocks]


def _snippet(path: Path, token: Any) -> Snippet:
    language, *words = token.info.split() or ["" if token.type == "fence" else "indented"]
    return Snippet(str(path.relative_to(ROOT)), token.map[0] + 1, language, tuple(words), token.content)


def spoken(path: Path) -> list[str]:
    """Every `code word` of a page that is a command, or an option of one."""
    inline = [child for token in MarkdownIt().parse(path.read_text(encoding="utf-8")) for child in token.children or []]
    words = [" ".join(child.content.split()) for child in inline if child.type == "code_inline"]
    return [re.sub(r"^\.venv/bin/", "", word) for word in words if re.match(r"(\.venv/bin/|make |ohmvert |--\w)", word)]


@dataclass
class Session:
    """One page being run: a folder, a namespace, and what the last command or block printed."""

    folder: Path
    instead: dict[str, str]
    """Commands that are run in place of others, empty for none."""
    namespace: dict[str, Any] = field(default_factory=lambda: {"__name__": "docs"})
    printed: str = ""

    def run(self, snippet: Snippet) -> None:
        """Run, write or compare a block."""
        where = f"{snippet.page}:{snippet.line}"
        if snippet.language == "python" and not snippet.file:
            self._python(snippet, where)
        elif snippet.is_shell:
            self._shell(snippet, where)
        elif snippet.file:
            self.write(snippet.file, snippet.text)
        elif snippet.language == "text":
            missing = [line for line in _wanted(snippet.text) if not re.search(line, self.printed)]
            assert not missing, f"{where}: {missing} not in\n{self.printed}"
        else:
            assert not snippet.language, f"{where}: nothing runs a block of {snippet.language!r} without a file's name"
            stray = [line for line in snippet.text.splitlines() if COMMAND.match(line.strip())]
            assert not stray, f"{where}: commands in a block that does not say `sh`: {stray}"

    def write(self, name: str, text: str) -> None:
        """Write a file that the page names."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _python(self, snippet: Snippet, where: str) -> None:
        code = compile("\n" * (snippet.line) + snippet.text, where, "exec")
        printed = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
            exec(code, self.namespace)
        self.printed = printed.getvalue()

    def _shell(self, snippet: Snippet, where: str) -> None:
        commands = [self.instead.get(command, command) for command in snippet.commands]
        for k, command in enumerate(commands):
            expected = snippet.exit if k == len(commands) - 1 else 0
            done = call(command, self.folder) if command else None
            assert done is None or done.returncode == expected, f"{where}: {command}\n{done.stdout}{done.stderr}"
            self.printed = done.stdout + done.stderr if done else ""


def _wanted(text: str) -> Iterator[str]:
    """Patterns of the lines that are to be printed, with any run of blanks for another and ... for anything."""
    for line in text.splitlines():
        if line.strip():
            yield r"[ \t]+".join(re.escape(word).replace(r"\.\.\.", ".*") for word in line.split())


def call(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command with this environment's programs first on the path."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    env = {**os.environ, "PATH": path, "COLUMNS": "160", "NO_COLOR": "1", "MPLBACKEND": "agg"}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@cache
def commands() -> dict:
    return get_command(app).commands


@cache
def options() -> set[str]:
    return {word for one in commands().values() for p in one.params for word in (*p.opts, *p.secondary_opts)} | {
        "--help"
    }


def check(command: str) -> None:
    """A command parses: every option is one of its program's, every make target is one of the Makefile's."""
    if command.startswith("make"):
        for line in dry_run(command):
            parse(line)
    elif command.startswith("ohmvert "):
        parse(command)


@cache
def dry_run(command: str) -> list[str]:
    """The commands of this project that a call of make would run."""
    done = call(f"{command} --dry-run --always-make --no-print-directory PYTHON=python3", ROOT)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    found = re.findall(r"\.venv/bin/(ohmvert [^;|&\n]*|python -m training [^;|&\n]*)", done.stdout.replace("\\\n", " "))
    return [re.sub(r"^python -m training", "ohmvert train", line) for line in found]


def parse(command: str) -> None:
    """The words of an `ohmvert` command, converted and not run; a bare `ohmvert COMMAND` names it."""
    _, *words = shlex.split(command.partition(" > ")[0])
    assert words[0] in commands(), f"{command}: there is no such command"
    if len(words) > 1 and "--help" not in words:
        commands()[words[0]].make_context(words[0], words[1:])
