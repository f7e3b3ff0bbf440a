"""Every command and snippet of README and docs, run as the pages say it.

The convention of the pages, block by block in their order, all blocks of a page in one temporary folder:

- `python`: runs in this process; the blocks of a page share their names.
- `sh`: every line is run by bash with `ohmvert` on the path, and has to succeed; `sh exit=2` names the exit code of the
  last one. Indented blocks that begin with a command are the same.
- any other language with a file's name after it, ```` ```toml mine.toml ````: the block is written to that file.
- `text`: every line was printed by the last command or block before it; `...` stands for anything.
- no language: a drawing, without commands.
- commands and options in `code words` are parsed, with every option that they name.

What takes long is a row of LONG, with the short form that is run in its place; what needs another machine is a row
of ELSEWHERE, with the reason. A command in neither is run, and a row that no page needs fails.
"""

import ast
import re
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
from snippets import ROOT, Session, Snippet, call, check, options, parse, snippets, spoken

from circuits.hardware_file import load_hardware

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
RUN_BY = {"docs/bring-your-own.md": "tests/test_bring_your_own.py"}
"""Pages whose blocks another file of tests runs, and more closely."""

QUICK_RUN = (
    "ohmvert train --backend=nodal --epochs=1 --batch-size=1000 --inputs=none --no-progress --overwrite --out=quick"
)
LONG = {
    "make train": QUICK_RUN,
    "ohmvert train --backend=spice --executor=dask --dask-address=tcp://host:8786": "",  # tests/test_cluster.py
    "ohmvert train --model=flat --backend=nodal --precision=hp:1e-3 --max-array=64": "",  # tests/test_blocks.py
    "ohmvert train --optimizer=kfac --backend=nodal --hardware=rram40 --precision=lp:3 --held-out --target=0.9 "
    "--epochs=8": "",  # tests/test_study.py
    "make test": "",
    "make setup": "",
    "make check": "",
    "make tune DATA_DIR=emnist": "",  # tests/test_study.py
    "make reproduce DATA_DIR=emnist": "",
    'make reproduce ARGS="--quick"': "",
    "make report": "ohmvert report --help",
    "make cost": "",
    "ohmvert cost --model=cnn --preset=rram40 -o cnn.json": "",  # the page's next command is a short form
    'ohmvert reproduce --task=digits --method="nodal lp:3" --quick': "",
}
"""Commands that take minutes or change the checkout: parsed as they stand, and this is run in their place."""

ELSEWHERE = {
    "pip install '.[cluster]'": "installs into the environment that the tests run in",
    "dask scheduler": "does not end; tests/test_cluster.py starts one",
    "dask worker tcp://host:8786 --nworkers 16 --nthreads 1": "does not end; tests/test_cluster.py starts one",
    "helm install --repo https://helm.dask.org --create-namespace -n dask-operator "
    "--generate-name dask-kubernetes-operator": "needs a Kubernetes cluster",
    "docs/cluster.md: from cosim.executors import open_executor": "needs a cluster, see tests/test_cluster.py",
    "docs/cluster.md: import time": "needs Slurm",
    "docs/cluster.md: from dask_kubernetes.operator import KubeCluster": "needs a Kubernetes cluster",
    "docs/cluster.md: FROM python:3.11-slim-bookworm": "needs Docker",
}
"""Commands, and first lines of other blocks, that no test here can run, with the reason; Python is still parsed."""

LOOP = """
import torch
from torch import nn
torch.manual_seed(0)
model = nn.Linear(4, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
loss_function = nn.CrossEntropyLoss()
batches = [(torch.randn(8, 4), torch.randint(3, (8,)))]
"""
BEFORE = {"README.md": LOOP}
"""Around snippets that are a part of the reader's own script: such a script."""
VENDOR = ".subckt OPA690 inp inn vp vn out\nE1 out 0 inp inn 2800\n.ends OPA690\n"


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def page_params() -> list:
    params = []
    for path in PAGES:
        text, marks = path.read_text(encoding="utf-8"), []
        if re.search(r'"spice"|backend[= ]spice', text):
            marks.append(pytest.mark.ngspice)
        if re.search(r"^ngspice -b", text, flags=re.MULTILINE):
            marks.append(pytest.mark.ngspice_cli)
        if name(path) not in RUN_BY and snippets(path):
            params.append(pytest.param(path, marks=marks, id=name(path)))
    return params


@pytest.mark.parametrize("path", page_params())
def test_a_page_works_as_written(path: Path, tmp_path: Path) -> None:
    session = Session(tmp_path, {**LONG, **dict.fromkeys(ELSEWHERE, "")})
    exec(BEFORE.get(name(path), ""), session.namespace)
    for snippet in snippets(path):
        if f"{snippet.page}: {snippet.first}" in ELSEWHERE:
            assert snippet.language != "python" or ast.parse(snippet.text)
        else:
            session.run(snippet)
            load(session, snippet)
    close_backends(session)


def load(session: Session, snippet: Snippet) -> None:
    """A hardware file is read even where no command of the page does."""
    if snippet.file and snippet.file.endswith(".toml") and "[plot]" not in snippet.text:
        session.write("opa690.lib", VENDOR)
        load_hardware(str(session.folder / snippet.file))


def close_backends(session: Session) -> None:
    """Snippets that leave it to the end of the script to free the workers."""
    if "kfac" in session.namespace:
        session.namespace["kfac"].remove_hooks()


def documented() -> list[str]:
    """Every command of a shell block, and the first line of every other block."""
    blocks = [snippet for path in PAGES for snippet in snippets(path)]
    return [
        line for block in blocks for line in (block.commands if block.is_shell else [f"{block.page}: {block.first}"])
    ]


def test_no_row_of_the_tables_is_left_behind() -> None:
    there = set(documented())
    assert [row for row in (*LONG, *ELSEWHERE) if row not in there] == []


def test_pages_that_are_run_elsewhere_are() -> None:
    for page, tests in RUN_BY.items():
        assert Path(page).name in (ROOT / tests).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", LONG)
def test_a_long_command_is_one_that_there_is(command: str) -> None:
    check(command)


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_commands_and_options_in_the_text_are_there(path: Path) -> None:
    for word in spoken(path):
        if word.startswith("--"):
            unknown = set(re.findall(r"--[a-z][\w-]*", word)) - options() - OF_OTHERS
            assert not unknown, f"{name(path)}: no command has {unknown}"
        elif "COMMAND" not in word:
            check(word)


OF_OTHERS = {"--nthreads", "--ngspice", "--nanny", "--group"}
"""Options of a program that is not ohmvert."""


@pytest.mark.parametrize("path", [*PAGES, ROOT / "netlist_templates" / "README.md"], ids=name)
def test_links_to_files_of_the_repository_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", path.read_text(encoding="utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_an_option_that_there_is_not_is_found() -> None:
    with pytest.raises(Exception, match="--bogus"):
        parse("ohmvert train --bogus=1")
    with pytest.raises(AssertionError, match="nothing"):
        check("make nothing")


def test_the_extra_of_the_documentation_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [re.match(r"[\w-]+", one)[0].lower() for one in project["optional-dependencies"]["docs"]]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().replace("_", "-")
    assert [one for one in wanted if f"\n{one}==" not in pins] == []


@pytest.fixture
def docstrings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The extension of the build, and beside it a package with three names that say nothing."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "extensions"))
    package = tmp_path / "made_up"
    package.mkdir()
    (package / "__init__.py").write_text('"""A package."""\n')
    (package / "part.py").write_text(MADE_UP)
    return import_module("docstrings")


def test_a_public_name_without_docstring_is_found(docstrings: ModuleType, tmp_path: Path) -> None:
    found = docstrings.undocumented(tmp_path / "made_up")
    assert found == ["made_up.part.bare", "made_up.part.Kind.method", "made_up.part.Kind.shown"]
    assert [name for one in docstrings.PACKAGES for name in docstrings.undocumented(ROOT / one)] == []


def test_a_public_name_without_docstring_fails_the_build(
    docstrings: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = pytest.importorskip("sphinx.errors", reason="the extra docs is not installed")
    monkeypatch.setattr(docstrings, "ROOT", tmp_path)
    monkeypatch.setattr(docstrings, "PACKAGES", ("made_up",))
    with pytest.raises(errors.ExtensionError, match=r"made_up\.part\.bare, made_up\.part\.Kind\.method"):
        docstrings._check(None)


MADE_UP = '''"""A module."""
def bare(): ...
def said():
    """Said."""
    def inner(): ...
def _private(): ...
class Kind:
    """A class."""
    def __init__(self): ...
    def method(self): ...
    @property
    def shown(self): ...
    @shown.setter
    def shown(self, value): ...
class _Hidden:
    def method(self): ...
'''


def test_the_site_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the extra docs is not installed")
    pytest.importorskip("furo", reason="the extra docs is not installed")
    done = call(f"sphinx-build -q -W --keep-going -E -d {tmp_path}/doctrees {ROOT}/docs {tmp_path}/site", ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        text = page.read_text(encoding="utf-8")
        loaded = re.findall(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"((?:https?:)?//[^\"]*)\"", text)
        assert loaded == [], page
    for style in (tmp_path / "site").rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:https?:)?//|@import", style.read_text(encoding="utf-8")), style
    assert "<math" in (tmp_path / "site" / "theory.html").read_text(encoding="utf-8")
