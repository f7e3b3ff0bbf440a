"""What a precision is, how it is written, and which hardware it asks for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from circuits import Converters, Hardware, InputError, Programming, RramCell
from cosim.precision import SECOND_CHIP, Precision
from cosim.precision_table import draw_cycles, factor_table, random_table, solves_needed


def test_how_it_is_written() -> None:
    assert Precision.parse("lp:3") == Precision("lp", bits=3)
    assert Precision.parse(" LP:4 ") == Precision("lp", bits=4)
    assert Precision.parse("hp:1e-3") == Precision("fcg", bits=3, tolerance=1e-3)
    assert Precision.parse("hp:1e-6", bits=4, converters=4) == Precision("fcg", 4, 1e-6, converters=4)
    assert not Precision.parse("lp:3").refines
    assert Precision.parse("hp:1e-6").refines


@pytest.mark.parametrize(
    "text", ["", "lp", "hp:", "lp:three", "lp:3.5", "hp:tight", "fp:32", "3", "hp:1e-3:4", "hp:1e"]
)
def test_other_words_are_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(InputError, match=r"Unknown precision .* lp:BITS, such as lp:3, or hp:TOLERANCE"):
        Precision.parse(text)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Precision(method="cg"), r"Precision.method = 'cg'.*lp, richardson, fcg"),
        (lambda: Precision(bits=0), r"Precision.bits = 0 is outside 1 to 8"),
        (lambda: Precision(bits=9), r"Precision.bits = 9"),
        (lambda: Precision(bits=2.5), r"Precision.bits = 2.5 must be a whole number"),  # type: ignore[arg-type]
        (lambda: Precision(tolerance=0.0), r"Precision.tolerance = 0.0 is outside 1e-13 to 0.5"),
        (lambda: Precision(tolerance=float("nan")), r"Precision.tolerance = nan"),
        (lambda: Precision(tolerance=1.0), r"Precision.tolerance = 1.0"),
        (lambda: Precision(tolerance="1e-3"), r"Precision.tolerance = '1e-3'"),  # type: ignore[arg-type]
        (lambda: Precision(cycles=0), r"Precision.cycles = 0"),
        (lambda: Precision(converters=25), r"Precision.converters = 25"),
        (lambda: Precision(converters=1).solving(Hardware()), r"dac_bits = 1 leaves no step"),
        (lambda: Precision(window=0.3), r"Precision.window = 0.3 is outside 1e-06 to 0.25 steps"),
        (lambda: Precision(products="analog"), r"Precision.products = 'analog'.*circuits, rounded"),
        (lambda: Precision.parse("lp:12"), r"Precision.bits = 12"),
        (lambda: Precision.parse("hp:2"), r"Precision.tolerance = 2.0"),
        (lambda: Precision.parse("hp:nan"), r"Precision.tolerance = nan"),
    ],
)
def test_bad_fields_are_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()


def test_a_tolerance_may_follow_the_steps() -> None:
    precision = Precision(tolerance=lambda step: 0.1 / (1 + step))
    assert precision.at(0) == pytest.approx(0.1)
    assert precision.at(99) == pytest.approx(1e-3)
    with pytest.raises(InputError, match=r"Precision.tolerance = -1"):
        Precision(tolerance=lambda step: -1.0 * step).at(1)


def test_cells_and_converters_of_the_solving_chip() -> None:
    own = Converters(dac_bits=6, adc_bits=5, adc_noise=1e-3)
    assert Precision(bits=4).solving(Hardware()).cell.levels == 16
    assert Precision(bits=3).solving(Hardware.preset("rram40")) == Hardware.preset("rram40")
    assert Precision().solving(Hardware(converters=own)).converters == own
    set_to = Precision(converters=4).solving(Hardware(converters=own)).converters
    assert set_to == replace(own, dac_bits=4, adc_bits=4)


@pytest.mark.parametrize(("levels", "way"), [(16, "choose bits = 4"), (10, "2, 4, 8, ... or 256 levels")])
def test_bits_outside_the_levels_are_refused(levels: int, way: str) -> None:
    with pytest.raises(InputError, match=f"bits = 3 needs cells of 8 levels, and RramCell.levels = {levels}: .*{way}"):
        Precision(bits=3).solving(Hardware(cell=RramCell(levels=levels)))


def test_cells_of_slices_are_verified_on_another_chip() -> None:
    chip = Precision(window=0.1).multiplying(Hardware(programming=Programming(sigma=0.02), seed=7))
    assert chip.programming.window == pytest.approx(0.1 * 34.5e-6 / 7)
    assert chip.programming.sigma == 0.02
    assert chip.seed == 7 + SECOND_CHIP
    tighter = Precision(window=0.1).multiplying(Hardware(programming=Programming(window=1e-7)))
    assert tighter.programming.window == 1e-7


def test_table_of_random_matrices() -> None:
    rows = random_table("nodal", 3, products="rounded", workers=1)
    assert {row["method"] for row in rows} == {"richardson", "fcg"}
    case = [r for r in rows if (r["method"], r["conditioning"], r["matrix"]) == ("fcg", "rank 4", "spd 5")]
    assert [row["cycle"] for row in case] == list(range(len(case)))
    assert case[0]["median_error"] == case[0]["worst_residual"] == 1
    needed = solves_needed(case, "worst_error", 1e-7)
    assert needed is not None
    assert needed <= 10
    assert case[0]["settled"] == 3
    plain = [r for r in rows if (r["method"], r["conditioning"], r["matrix"]) == ("richardson", "off", "spd 30")]
    assert plain[0]["settled"] == 0
    assert plain[0]["message"]
    assert solves_needed(plain, "median_error", 1e-1) is None


def test_table_of_factors() -> None:
    factor = np.diag([4.0, 2, 1, 1]) + 0.5
    rows = factor_table({"a": factor, "b": 2 * factor}, seeds=2, bits=(3, 6), workers=1)
    assert {(r["matrix"], r["method"], r["bits"]) for r in rows} == {
        (matrix, method, bits) for matrix in "ab" for method in ("richardson", "fcg") for bits in (3, 6)
    }
    last = {(r["method"], r["bits"]): r for r in rows if r["matrix"] == "a"}
    assert all(row["worst_residual"] < 1e-9 for (method, _), row in last.items() if method == "fcg")
    assert {row["bits"]: row["converters"] for row in rows} == {3: 4, 6: 7}
    assert last["fcg", 6]["cycle"] <= last["fcg", 3]["cycle"]
    assert len(draw_cycles(rows).axes) == 2
