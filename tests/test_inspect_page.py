"""The inspector page in headless Chromium, opened from a file as a reader would."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import pytest
from cases import Array
from conftest import find_browser
from PIL import Image
from small_run import write_run

from circuits import Hardware, Programming, Wires
from circuits.matrices import spd
from cosim.inspection import Inspection
from cosim.inspector import inspect_inverse, inspect_multiply
from cosim.page import CallTable, Page, View, assemble
from cosim.page.calls import Words
from cosim.solution import Status
from training.run_page import Asked, page_of_run

pytestmark = pytest.mark.browser

SIDE, LAYERS, STATUSES = 4, ("conv1", "conv2", "<script>alert(1)</script>"), ("SETTLED", "NOT_SETTLED", "UNSTABLE")
MARGIN = (26, 16)
"""Pixels of a heat map's canvas left of and above its cells."""
IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Debian's chromium will not sandbox for root, which a container often is.
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def show(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a page; whatever the browser complains of, and whatever it asks of a network, fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_page(page: Page, width: int = 1280, scheme: str = "light", place: str = "") -> Any:
        path = tmp_path / "page.html"
        path.write_text(assemble(page), encoding="utf-8")
        contexts.append(chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme))
        contexts[-1].set_default_timeout(10_000)
        tab = contexts[-1].new_page()
        tab.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
        tab.on("request", lambda one: one.url.startswith("file:") or complaints.append(f"asked for {one.url[:80]}"))
        tab.goto(path.as_uri() + place)
        tab.wait_for_selector("html[data-ready]", timeout=30_000)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def faulty(seed: int = 0) -> Hardware:
    """Levels, write errors, stuck cells, and no wires: every cell is a line of the netlist."""
    return replace(
        Hardware.preset("rram40"), wires=Wires(), programming=Programming(sigma=0.02, stuck_off=0.02), seed=seed
    )


@pytest.fixture(scope="module")
def inverse() -> Inspection:
    matrix = spd(8, 6.0, 1)
    return inspect_inverse(matrix, np.eye(8)[:, :SIDE], faulty(3), title="eight rows", hardware_name="faulty")


def table_of(n: int, layers: tuple[str, ...] = LAYERS) -> CallTable:
    """Calls at random, four right-hand sides a solve; those that failed have no settling time."""
    rng = np.random.default_rng(n)
    solve = np.arange(n) // SIDE
    status = rng.choice(3, n, p=(0.9, 0.06, 0.04))
    times = np.where(status == 0, np.round(rng.uniform(1e-8, 2e-8, n), 10), np.nan)
    digests = tuple(f"{i:064x}" for i in range(solve[-1] + 1))
    return CallTable(
        1 + solve // len(layers),
        Words(layers, solve % len(layers)),
        Words(("A",), np.zeros(n, np.int64)),
        np.full(n, 8),
        Words(STATUSES, status),
        times,
        rng.uniform(1e-4, 1e-1, n),
        Words(digests, solve),
    )


def run_page(inspection: Inspection, n: int = 96) -> Page:
    """A run whose second step, layer conv1, the page carries."""
    view = View(inspection, (2, "conv1", "A"), reason="the one that was asked for")
    return Page(
        "Run runs/<b>x</b>",
        (view,),
        table_of(n),
        {"backend": "nodal"},
        ("A note.",),
        ("ohmvert", "inspect", "--run", "a run"),
    )


def click_cell(tab: Any, figure: int, row: int, column: int, shape: tuple[int, int]) -> None:
    """The middle of a cell of one of the three heat maps, counted from 0."""
    canvas = tab.locator("canvas.heatmap").nth(figure)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    wide, tall = box["width"] - MARGIN[0], box["height"] - MARGIN[1]
    place = {"x": MARGIN[0] + (column + 0.5) / shape[1] * wide, "y": MARGIN[1] + (row + 0.5) / shape[0] * tall}
    canvas.click(position=place)


def element_lines(text: str, array: str, row: int, column: int) -> dict[int, str]:
    """The lines whose element is named after a cell, by number: R, X or B, then array, row and column from 1."""
    pattern = re.compile(rf"[A-Z]\w*{array}{row + 1}_{column + 1}$")
    lines = enumerate(text.splitlines(), start=1)
    return {number: line for number, line in lines if pattern.match(line.split(" ")[0])}


def shown_lines(tab: Any) -> dict[int, str]:
    """The lines beside the chosen cell."""
    rows = tab.locator(".cell-lines > div").all()
    numbers = [int(row.locator(".number").inner_text()) for row in rows]
    return {number: row.inner_text()[len(str(number)) :] for number, row in zip(numbers, rows, strict=True)}


def rows_of(tab: Any) -> list[int]:
    """Calls in the table from the top, all of them in sight."""
    tab.evaluate("document.querySelector('.grid').style.height = '9000px'")
    tab.wait_for_timeout(150)
    return [int(row.get_attribute("data-call")) for row in tab.locator(".rows .row").all()]


def fact(tab: Any, name: str, within: str = "#cell") -> str:
    return str(
        tab.locator(f"{within} dl div", has=tab.locator("dt", has_text=re.compile(f"^{name}$")))
        .locator("dd")
        .inner_text()
    )


@pytest.mark.parametrize("figure", [0, 1, 2])
def test_a_click_shows_the_cell_and_its_lines(show: Callable[..., Any], inverse: Inspection, figure: int) -> None:
    tab = show(Page("one", (View(inverse),)))
    for name, row, column in (("p", 2, 5), ("n", 7, 0)):
        tab.get_by_role("button", name=f"array G{name}").click()
        click_cell(tab, figure, row, column, (8, 8))
        expected = element_lines(inverse.netlist.text, name, row, column)
        assert len(expected) == 1
        assert shown_lines(tab) == expected
        marked = tab.locator(".netlist .line.marked").all()
        assert [int(line.get_attribute("data-line")) for line in marked] == list(expected)
        assert marked[0].is_visible()
        cells = inverse.arrays["pn".index(name)]
        assert (fact(tab, "Row"), fact(tab, "Column")) == (str(row + 1), str(column + 1))
        assert fact(tab, "Level") == str(cells.levels[row, column])
        assert float(fact(tab, "Target").split()[0]) == pytest.approx(scaled(cells.target[row, column]), rel=1e-4)


def scaled(siemens: float) -> float:
    """In the prefix that the page writes."""
    return siemens * (1e6 if siemens >= 1e-6 else 1e9)


def test_arrow_keys_move_the_cell_and_enter_goes_to_its_lines(show: Callable[..., Any], inverse: Inspection) -> None:
    tab = show(Page("one", (View(inverse),)))
    click_cell(tab, 1, 3, 3, (8, 8))
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowLeft"):
        tab.keyboard.press(key)
    assert (fact(tab, "Row"), fact(tab, "Column")) == ("5", "3")
    assert shown_lines(tab) == element_lines(inverse.netlist.text, "p", 4, 2)
    assert "Row 5, column 3" in tab.locator("canvas.heatmap").nth(1).get_attribute("aria-label")
    tab.keyboard.press("Enter")
    assert tab.evaluate("document.activeElement.className") == "netlist"


def middle_of(tab: Any, row: float, column: float) -> tuple[float, float]:
    """Where a cell of the second heat map (8, 8) lies in the window before any zoom."""
    box = tab.locator("canvas.heatmap").nth(1).bounding_box()
    wide, tall = box["width"] - MARGIN[0], box["height"] - MARGIN[1]
    return box["x"] + MARGIN[0] + (column + 0.5) / 8 * wide, box["y"] + MARGIN[1] + (row + 0.5) / 8 * tall


def test_wheel_drag_and_reset_zoom(show: Callable[..., Any], inverse: Inspection) -> None:
    tab = show(Page("one", (View(inverse),)))
    click_cell(tab, 1, 3, 3, (8, 8))
    for _ in range(10):  # to an eighth of the width, around the pointer
        tab.mouse.wheel(0, -100)
    tab.wait_for_timeout(100)
    tab.mouse.click(*middle_of(tab, 3, 4))
    assert (fact(tab, "Row"), fact(tab, "Column")) == ("4", "4")
    tab.mouse.move(*middle_of(tab, 3, 6))
    tab.mouse.down()
    tab.mouse.move(*middle_of(tab, 3, -0.5), steps=4)  # a little less than a cell to the left
    tab.mouse.up()
    assert fact(tab, "Column") == "4"
    tab.mouse.click(*middle_of(tab, 3, 3))
    assert fact(tab, "Column") == "5"
    tab.locator(".section", has=tab.locator(".maps")).get_by_role("button", name="Reset zoom").click()
    tab.mouse.click(*middle_of(tab, 1, 6))
    assert (fact(tab, "Row"), fact(tab, "Column")) == ("2", "7")


def test_two_fingers_zoom(show: Callable[..., Any], inverse: Inspection) -> None:
    tab = show(Page("one", (View(inverse),)))
    click_cell(tab, 1, 3, 3, (8, 8))
    touch = tab.context.new_cdp_session(tab)
    y = middle_of(tab, 3, 0)[1]
    for kind, apart in (("touchStart", 0.3), ("touchMove", 0.8), ("touchMove", 1.6), ("touchMove", 3.0)):
        fingers = [{"x": middle_of(tab, 3, 3 + side * apart)[0], "y": y, "id": i} for i, side in enumerate((-1, 1))]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    tab.wait_for_timeout(100)
    tab.mouse.click(*middle_of(tab, 3, 4))
    assert fact(tab, "Column") == "4"  # ten times as wide: the neighbour's place is still this cell


def test_a_line_of_the_netlist_chooses_its_cell(show: Callable[..., Any], inverse: Inspection) -> None:
    tab = show(Page("one", (View(inverse),)))
    tab.get_by_label("Search the netlist").fill("Rn6_2 ")
    tab.locator(".netlist .line.current").click()
    assert (fact(tab, "Array"), fact(tab, "Row"), fact(tab, "Column")) == ("negative, Gn", "6", "2")


def test_search_finds_lines(show: Callable[..., Any], inverse: Inspection) -> None:
    tab = show(Page("one", (View(inverse),)))
    found = [number for number, line in enumerate(inverse.netlist.text.splitlines(), 1) if ".meas" in line.lower()]
    box = tab.get_by_label("Search the netlist")
    box.fill(".MEAS")
    assert tab.locator(".netlist-section .found").inner_text() == f"1 of {len(found)}"
    for number in (found[1], found[2]):
        box.press("Enter")
        assert tab.locator(".netlist .line.current").get_attribute("data-line") == str(number)
    box.fill("no such words")
    assert tab.locator(".netlist-section .found").inner_text() == "not found"


def test_sorting_is_python_s(show: Callable[..., Any], inverse: Inspection) -> None:
    page = run_page(inverse)
    tab = show(page)
    assert page.calls is not None
    times = page.calls.settling_time
    known = [i for i in range(len(times)) if np.isfinite(times[i])]
    unknown = [i for i in range(len(times)) if not np.isfinite(times[i])]
    head = tab.get_by_role("columnheader", name="Settling time")
    head.get_by_role("button").click()
    assert rows_of(tab) == sorted(known, key=lambda i: times[i]) + unknown
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").click()
    assert rows_of(tab) == sorted(known, key=lambda i: times[i], reverse=True) + unknown
    tab.get_by_role("columnheader", name="Layer").get_by_role("button").click()
    layers = [page.calls.layer.names[i] for i in page.calls.layer.index]
    assert rows_of(tab) == sorted(range(len(times)), key=lambda i: layers[i])


def test_filters_keep_what_they_say(show: Callable[..., Any], inverse: Inspection) -> None:
    page = run_page(inverse)
    tab = show(page)
    assert page.calls is not None
    status = [page.calls.status.names[i] for i in page.calls.status.index]
    tab.locator("[data-status=UNSTABLE]").click()
    assert rows_of(tab) == [i for i, one in enumerate(status) if one == "UNSTABLE"]
    tab.locator("[data-status=NOT_SETTLED]").click()
    assert rows_of(tab) == [i for i, one in enumerate(status) if one != "SETTLED"]
    tab.locator("[data-status=UNSTABLE]").click()
    tab.locator("[data-status=NOT_SETTLED]").click()
    tab.get_by_label("Layer").select_option("conv2")
    assert rows_of(tab) == [i for i in range(96) if page.calls.layer.index[i] == 1]
    assert tab.locator("#calls .found").inner_text() == "32 of 96 calls"


def test_every_call_opens_its_own_view(show: Callable[..., Any], inverse: Inspection) -> None:
    page = run_page(inverse)
    tab = show(page)
    assert page.calls is not None
    failed = int(np.flatnonzero(page.calls.status.index == 2)[0])
    tab.get_by_role("grid").focus()
    for _ in range(failed):
        tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#view .command")
    assert Status.UNSTABLE.text in tab.locator("#view").inner_text()
    layer = page.calls.layer.names[page.calls.layer.index[failed]]
    command = tab.locator(".command code").inner_text()
    assert command.startswith(f"ohmvert inspect --run 'a run' --step {page.calls.step[failed]} --layer ")
    assert layer in command
    assert tab.locator("canvas").count() == 0
    carried = int(page.calls.where(2, "conv1", "A")[2])
    tab.goto(f"{tab.url.split('#')[0]}#call={carried}")
    tab.wait_for_selector("canvas.waveform")
    assert tab.locator("#view-title").inner_text() == "Step 2, conv1 A, column 3"
    assert tab.get_by_label("Right-hand side", exact=True).input_value() == "2"
    tab.go_back()
    tab.wait_for_selector("#view .command")


def test_names_are_text(show: Callable[..., Any], inverse: Inspection) -> None:
    tab = show(run_page(inverse))
    assert tab.locator("h1").inner_text() == "Run runs/<b>x</b>"
    assert tab.get_by_role("gridcell", name=LAYERS[2]).first.is_visible()
    assert tab.evaluate("document.querySelectorAll('script:not([type])').length") == 0


def test_nothing_can_be_fetched(chromium: Any, tmp_path: Path, inverse: Inspection) -> None:
    (tmp_path / "page.html").write_text(assemble(Page("one", (View(inverse),))))
    tab = chromium.new_page()
    tab.goto((tmp_path / "page.html").as_uri())
    assert tab.evaluate("fetch('data:,x').then(() => 'fetched', () => 'refused')") == "refused"
    tab.close()


@pytest.mark.parametrize("place", ["", "#call=24"])
def test_narrow_pages_do_not_scroll_sideways(show: Callable[..., Any], inverse: Inspection, place: str) -> None:
    tab = show(run_page(inverse), width=390, place=place)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390


def test_dark_and_light_differ(show: Callable[..., Any], inverse: Inspection) -> None:
    tab = show(Page("one", (View(inverse),)))
    colors = []
    for scheme in ("light", "dark"):
        tab.emulate_media(color_scheme=scheme)
        colors.append(tab.evaluate("getComputedStyle(document.documentElement).backgroundColor"))
    light, dark = ([int(part) for part in re.findall(r"\d+", color)] for color in colors)
    assert min(light) > 200 > 60 > max(dark)


def test_waveforms_say_when_an_output_settles(show: Callable[..., Any], inverse: Inspection) -> None:
    tab = show(Page("one", (View(inverse),)))
    figure = tab.locator("canvas.waveform")
    figure.focus()
    tab.get_by_label("Output", exact=True).select_option("out3")
    time = inverse.traces.settling_times[2, 0]
    assert f"after {time * 1e9:.4g} ns" in tab.locator(".legend").inner_text()
    figure.hover()
    assert re.search(r"s: out\d = ", tab.locator(".readout").first.inner_text())
    tab.mouse.wheel(0, -300)
    for name in ("Band", "Window", "Reset zoom"):
        tab.get_by_role("button", name=name).first.click()


@pytest.mark.parametrize("kind", ["unstable", "multiply", "reduced"])
def test_other_circuits_open(show: Callable[..., Any], kind: str) -> None:
    tab = show(Page(kind, (View(other(kind)),)))
    words = tab.locator("main").inner_text()
    said = {"unstable": "A mode does not decay", "multiply": "3 × 5, multiply", "reduced": "exact port reduction"}
    assert said[kind] in words
    assert tab.locator("canvas").count() == 5


def other(kind: str) -> Inspection:
    if kind == "unstable":
        return inspect_inverse(-np.eye(3), hardware=Hardware(), hardware_name="default")
    if kind == "multiply":
        matrix: Array = np.random.default_rng(0).normal(size=(3, 5))
        return inspect_multiply(matrix, hardware=Hardware(), hardware_name="default")
    return inspect_inverse(spd(4, 3.0, 0), hardware=Hardware.preset("rram40"), hardware_name="rram40")


def test_ten_thousand_calls_open(show: Callable[..., Any], inverse: Inspection) -> None:
    page = run_page(inverse, 10_000)
    start = perf_counter()
    tab = show(page)
    assert tab.locator(".rows .row").count() > 5
    print(f"\n10,000 calls: {perf_counter() - start:.2f} s to assemble and open, {len(assemble(page)) / 1e6:.2f} MB")
    tab.get_by_role("columnheader", name="Residual").get_by_role("button").click()
    first = tab.locator(".rows .row").first.get_attribute("data-call")
    assert page.calls is not None
    assert int(first) == int(np.argmin(page.calls.residual))


@pytest.mark.parametrize("width", [1280, 390])
def test_screenshots(
    show: Callable[..., Any],
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    width: int,
) -> None:
    """Of a run, opened at a call that is carried in full; into docs/images with --update-golden."""
    monkeypatch.chdir(tmp_path)
    asked = Asked(2, "conv1", "A", None)
    page = page_of_run(short_run(), asked, 12, {"reduce": None, "templates": None, "backend": "nodal", "trust": False})
    tab = show(page, width)
    click_cell(tab, 1, 4, 4, (10, 10))
    tab.wait_for_timeout(300)
    tab.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    tab.mouse.move(2, 2)
    folder = IMAGES if request.config.getoption("--update-golden") else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    image = folder / f"inspector-{width}.png"
    tab.screenshot(path=image, full_page=True)
    with Image.open(image) as taken:
        taken.convert("RGB").quantize(256, kmeans=3).save(image, optimize=True)  # a third, and nothing to be seen
    assert 20_000 < image.stat().st_size < 300_000


def short_run() -> Path:
    """Three steps on faulty cells without wires; in the third a layer's matrix has lost its definiteness."""
    Path("chip.toml").write_text(
        'preset = "rram40"\n[wires]\nr_row = 0\nr_col = 0\n[programming]\nsigma = 0.02\nstuck_off = 0.01\n'
    )
    names = {"conv1/A": 10, "conv1/G": 8, "conv2/A": 12, "fc/G": 6}
    steps = [{key: spd(n, 4.0 + 2 * step, 7 * step + n) for key, n in names.items()} for step in range(1, 4)]
    steps[2]["fc/G"] -= 0.5 * np.eye(6)
    return write_run(Path("short-run"), steps, hardware="chip.toml")
