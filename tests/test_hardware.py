"""Physical parts: presets, ranges, and what their fields say about themselves."""

import ast
from dataclasses import fields, replace
from inspect import getsource

import numpy as np
import pytest

from circuits import (
    Converters,
    Hardware,
    InputError,
    Model,
    OpAmp,
    Programming,
    RramCell,
    Wires,
    hardware,
    parts,
    programming,
    vendor,
)

OUT_OF_RANGE = [
    (RramCell, "g_min", [-1e-9, 35e-6, 1.0, np.nan, "1u"]),
    (RramCell, "g_max", [0.0, 0.5e-6, 1.1, -1e-6, np.inf, np.nan, None]),
    (RramCell, "levels", [-1, 1, 2**24 + 1, 2.5, np.nan, np.inf]),
    (OpAmp, "gain", [0.0, 0.9, 1e13, np.inf, np.nan, -1e4, 1j]),
    (OpAmp, "gbw", [0.0, 0.9, 1e13, np.inf, np.nan]),
    (OpAmp, "slew", [0.0, -1.0, np.nan, -np.inf]),
    (OpAmp, "swing", [0.0, -4.0, np.nan, -np.inf]),
    (OpAmp, "offset", [-1e-3, 1.1, np.inf, np.nan]),
    (OpAmp, "r_out", [-1.0, 2e6, np.inf, np.nan]),
    (OpAmp, "bias", [-1e-12, 2e-3, np.nan]),
    (RramCell, "r_on", [-1.0, 2e6, np.nan]),
    (RramCell, "v_sinh", [0.0, -0.25, np.nan]),
    (RramCell, "access", ["diode", None]),
    (Wires, "r_row", [-1.0, 2e6, np.inf, np.nan]),
    (Wires, "r_col", [-1.0, 2e6, np.inf, np.nan]),
    (Wires, "c_row", [-1e-15, 1e-6, np.nan]),
    (Wires, "c_col", [-1e-15, 1e-6, np.nan]),
    (Wires, "reduce", ["sometimes"]),
    (Converters, "dac_bits", [-1, 1, 25, 2.5, True]),
    (Converters, "adc_bits", [-1, 1, 25, 2.5]),
    (Converters, "dac_noise", [-1e-3, 2.0, np.nan]),
    (Converters, "adc_noise", [-1e-3, 2.0, np.nan]),
    (Hardware, "signed", ["magic"]),
    (Hardware, "v_max", [0.0, 1e-7, 11.0, np.inf, np.nan]),
    (Hardware, "max_array", [1, 0, -64, 2**20 + 1, 2.5, np.nan]),
    (Hardware, "seed", [-1, 2**64, 1.5, np.nan]),
]
IN_RANGE = [
    (RramCell, "g_min", [0.0, 34e-6]),
    (RramCell, "g_max", [1e-6, 1.0, 1]),
    (RramCell, "levels", [0, 2, 8, 2**24]),
    (OpAmp, "gain", [1.0, 10_000, 1e12]),
    (OpAmp, "gbw", [1.0, 1e12]),
    (OpAmp, "slew", [1.0, np.inf]),
    (OpAmp, "swing", [0.5, np.inf]),
    (OpAmp, "offset", [0.0, 1.0]),
    (OpAmp, "r_out", [0.0, 1e6]),
    (OpAmp, "bias", [0.0, 5e-6]),
    (RramCell, "r_on", [0.0, 2e3]),
    (RramCell, "v_sinh", [0.25, np.inf]),
    (RramCell, "access", ["none"]),
    (Wires, "c_row", [0.0, 1e-15]),
    (Wires, "c_col", [0.0, 1e-15]),
    (Wires, "reduce", ["auto", "always", "never"]),
    (Converters, "dac_bits", [0, 2, 4, 24]),
    (Converters, "adc_bits", [0, 2, 4, 24]),
    (Converters, "dac_noise", [0.0, 1e-3]),
    (Converters, "adc_noise", [0.0, 1e-3]),
    (Hardware, "signed", ["inverters", "compensation"]),
    (Wires, "r_row", [0.0, 1.73, 1e6]),
    (Wires, "r_col", [0.0, 1.73, 1e6]),
    (Hardware, "v_max", [1e-6, 10.0]),
    (Hardware, "max_array", [2, 64, 2**20]),
    (Hardware, "seed", [0, 2**63]),
]


def each(table: list[tuple[type, str, list[object]]]) -> list[tuple[type, str, object]]:
    return [(part, name, value) for part, name, values in table for value in values]


@pytest.mark.parametrize(("part", "name", "value"), each(OUT_OF_RANGE))
def test_value_out_of_range_is_refused_by_name(part: type, name: str, value: object) -> None:
    with pytest.raises(InputError, match=rf"{part.__name__}\.\w+ = .*"):
        part(**{name: value})


@pytest.mark.parametrize(("part", "name", "value"), each(IN_RANGE))
def test_value_at_the_edge_of_its_range_is_taken(part: type, name: str, value: object) -> None:
    assert getattr(part(**{name: value}), name) == value


def test_refusal_names_field_value_and_range() -> None:
    with pytest.raises(InputError, match=r"OpAmp\.gain = 0\.5 is outside 1 to 1e\+12 V/V"):
        OpAmp(gain=0.5)


def test_every_number_is_in_both_tables() -> None:
    parts_ = (RramCell, OpAmp, Wires, Converters, Hardware)
    numbers = {(p, f.name) for p in parts_ for f in fields(p) if f.type in (int, float, str)}
    assert numbers == {(part, name) for part, name, _ in OUT_OF_RANGE} == {(part, name) for part, name, _ in IN_RANGE}


def test_presets_by_name() -> None:
    assert Hardware.preset("default") == Hardware()
    ideal = Hardware.preset("ideal")
    assert ideal.opamp.is_linear
    assert ideal.wires.ideal
    assert (ideal.cell.g_min, ideal.cell.levels, ideal.opamp.offset) == (0, 0, 0)
    chip = Hardware.preset("rram40")
    assert (chip.cell.levels, chip.cell.g_min, chip.cell.g_max) == (8, 0.5e-6, 35e-6)
    assert (chip.wires.r_row, chip.wires.r_col) == (1.73, 1.73)
    assert not chip.wires.ideal


def test_unknown_preset_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"'rram28'.*default, ideal, rram40"):
        Hardware.preset("rram28")


def test_linear_takes_off_the_limits_and_nothing_else() -> None:
    opamp = OpAmp(gain=3e3, gbw=2e8, slew=1e6, swing=1.5, offset=1e-3, r_out=10.0)
    hardware_ = Hardware(RramCell(levels=4), opamp, Wires(r_row=1.0), v_max=0.1, seed=7)
    linear = hardware_.linear()
    assert (linear.opamp.slew, linear.opamp.swing) == (np.inf, np.inf)
    assert replace(linear, opamp=replace(linear.opamp, slew=1e6, swing=1.5)) == hardware_
    assert linear.linear() == linear
    assert not opamp.is_linear
    assert not replace(opamp, slew=np.inf).is_linear
    assert not replace(opamp, swing=np.inf).is_linear
    assert linear.opamp.is_linear


def test_one_real_wire_is_not_ideal() -> None:
    assert Wires().ideal
    assert not Wires(r_row=1e-3).ideal
    assert not Wires(r_col=1e-3).ideal


def test_every_field_says_what_it_is_and_every_quantity_its_unit() -> None:
    sources = "".join(getsource(module) for module in (hardware, parts, vendor, programming))
    classes = [node for node in ast.parse(sources).body if isinstance(node, ast.ClassDef)]
    named = {part.__name__ for part in (RramCell, OpAmp, Wires, Converters, Hardware, Model, Programming)}
    classes = [node for node in classes if node.name in named]
    assert len(classes) == len(named)
    for node in classes:
        for item, after in zip(node.body, [*node.body[1:], None], strict=True):
            if not isinstance(item, ast.AnnAssign):
                continue
            where = f"{node.name}.{ast.unparse(item.target)}"
            assert isinstance(after, ast.Expr), f"{where} has no docstring"
            text = ast.literal_eval(after.value)
            assert text.strip().endswith((".", "]")), where
            if ast.unparse(item.annotation) == "float":
                unit = text.partition("[")[2].partition("]")[0]
                assert unit in {"S", "V", "A", "F", "s", "V/V", "V/s", "Hz", "ohm", "S/S", "cells/cell"}, (
                    f"{where} has no unit in brackets"
                )
