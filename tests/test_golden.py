"""Rendered circuits, complete and readable, beside the volts that they settle to; --update-golden writes them anew.

The matrix is [[1, -0.3], [0.2, 0.8]], so that every cell of both arrays has its own value; det = 0.86. The
inputs are 0.2 V on the first row, then -0.1 V and 0.15 V. Without any error the outputs were -A^-1 v.
"""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from circuits import Hardware, InverseCircuit, LinearCircuit, Stimulus, encode

GOLDEN = Path(__file__).parent / "golden"
MATRIX = np.array([[1, -0.3], [0.2, 0.8]])
INVERSE = np.array([[0.8, 0.3], [-0.2, 1]]) / 0.86
VOLTS = np.array([[0.2, -0.1], [0, 0.15]])
HARDWARE = {"default": Hardware(), "rram40_linear": Hardware.preset("rram40").linear()}


def deck(hardware: Hardware) -> str:
    netlist = InverseCircuit(encode(MATRIX, hardware.cell), hardware).netlist()
    return netlist.deck(Stimulus(VOLTS, period=100e-9, rise=4e-9))


def settled_volts() -> list[dict[str, str]]:
    """A row for every output and right-hand side, with linear op-amps: these volts reach no limit."""
    rows = []
    for name, hardware in HARDWARE.items():
        circuit = LinearCircuit.read(deck(hardware.linear()))
        volts = circuit.transfer(["vin1", "vin2"], ["out1", "out2"]) @ VOLTS
        for (k, j), volt in np.ndenumerate(volts.T):
            ideal = -(INVERSE @ VOLTS)[j, k]
            rows.append(
                {"circuit": name, "rhs": k + 1, "output": j + 1, "volts": f"{volt:.9f}", "ideal": f"{ideal:.9f}"}
            )
    return [{key: str(value) for key, value in row.items()} for row in rows]


@pytest.mark.parametrize("name", HARDWARE)
def test_netlist(name: str, request: pytest.FixtureRequest) -> None:
    path, text = GOLDEN / f"inverse2_{name}.cir", deck(HARDWARE[name])
    if request.config.getoption("update_golden"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8").splitlines() == text.splitlines()


def test_volts(request: pytest.FixtureRequest) -> None:
    path, rows = GOLDEN / "inverse2.csv", settled_volts()
    if request.config.getoption("update_golden"):
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path.write_text(text.getvalue(), encoding="utf-8")
    with path.open(encoding="utf-8", newline="") as file:
        written = list(csv.DictReader(file))
    assert [list(row.values())[:3] for row in written] == [list(row.values())[:3] for row in rows]
    for column in ("volts", "ideal"):
        now, then = ([float(row[column]) for row in table] for table in (rows, written))
        np.testing.assert_allclose(now, then, atol=2e-9)


def test_volts_are_those_of_the_programmed_matrix() -> None:
    # Eight levels are sevenths; gain and wires leave less than 1 mV of 200 mV.
    sevenths = np.array([[7, -2], [1, 6]]) / 7
    for name, programmed in (("default", MATRIX), ("rram40_linear", sevenths)):
        volts = [float(row["volts"]) for row in settled_volts() if row["circuit"] == name]
        np.testing.assert_allclose(volts, -(np.linalg.inv(programmed) @ VOLTS).T.ravel(), atol=1e-3)
