"""The README's table of results is that of the results, and so is the committed report."""

from pathlib import Path

import pytest
from test_report import PLAN, priced, write_json, write_task

from circuits import InputError
from training.cli import app, run
from training.report import markdown
from training.report.found import find
from training.report.headline import BEGIN, END, headline, replace_headline
from training.report.sections import LEAD, TITLE, sections

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
committed = pytest.mark.skipif(not RESULTS.is_dir(), reason="results/ is not in this checkout")
README = f"# A project\n\n## Results\n\n{BEGIN}\nold\n{END}\n\n## More\n"


@committed
def test_the_readme_is_that_of_the_results() -> None:
    text = (ROOT / "README.md").read_text()
    assert text == replace_headline(text, headline(find(RESULTS))), "run `make report`"


@committed
def test_the_report_is_that_of_the_results() -> None:
    text = markdown.render(TITLE, LEAD, sections(find(RESULTS)))
    assert (RESULTS / "REPORT.md").read_text() == text, "run `make report`"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_task(tmp_path, "letters", PLAN)
    write_json(tmp_path / "cost/resnet18.json", priced("resnet18"))
    return tmp_path


def test_numbers_made_up_stand_in_the_table(results: Path) -> None:
    lines = headline(find(results)).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    columns, _, *found = rows
    assert len(found) <= 6
    cells = {row[0]: dict(zip(columns, row, strict=True)) for row in found}
    exact = cells["K-FAC, float64 inverses"]
    assert exact["epochs to 0.85 (quartiles)"] == "5.00 (4.50 to 5.50)"
    assert exact["fewer than tuned SGD (95 %)"].startswith("50 % (")
    assert exact["runs"] == "3"
    assert cells["SGD with momentum"]["fewer than tuned SGD (95 %)"] == "-"
    assert not any("bare" in name for name in cells)


def test_the_verdict_is_that_of_the_circuits_with_most_seeds(results: Path) -> None:
    text = " ".join(headline(find(results)).split())
    # The nodal engine's median is 5.5 epochs of 10 and of 16: 45 % and 66 % fewer. 33 to 58 % lies above 26 %, and
    # 57 to 72 % holds 61 %.
    assert "26 % fewer epochs than SGD (**reached** by `nodal lp:3`)" in text
    assert "61 % fewer epochs than Adam (**reached, the claim is inside the interval** by `nodal lp:3`)" in text


def test_costs_come_with_range_and_assumptions(results: Path) -> None:
    (part,) = [part for part in headline(find(results)).split("\n\n") if part.startswith("Estimated cost")]
    line = " ".join(part.split())
    assert "12x (0.5x to 120x) the throughput" in line
    assert "30x (2x to 990x) the energy efficiency" in line
    assert "programmed every 10 steps" in line
    assert "(results/REPORT.md#cost-of-the-inverses)" in line


def test_without_a_comparison_the_command_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / "cost/cnn.json", priced("cnn"))
    assert headline(find(tmp_path)).startswith("Not measured yet: `ohmvert reproduce --task=letters` comes first.")


def test_only_what_is_between_the_marks_changes(results: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(README)
    monkeypatch.setattr("sys.argv", ["ohmvert", "report", f"--results={results}", f"--readme={readme}"])
    assert run(app) == 0
    text = readme.read_text()
    assert text == replace_headline(README, headline(find(results)))
    assert text.startswith(README.split("old")[0])
    assert text.endswith(README.split("old")[1])
    assert replace_headline(text, "old") == README


@pytest.mark.parametrize("text", ["no marks", f"{END}\n{BEGIN}", f"{BEGIN}", f"{BEGIN}{BEGIN}{END}"])
def test_marks_that_are_not_there_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="needs one line"):
        replace_headline(text, "new")
