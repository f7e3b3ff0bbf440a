"""An inspection as the page's scripts read it."""

from dataclasses import asdict
from typing import Any

import numpy as np

from cosim.inspection import Answer, CellArray, Inspection, Subject, Traces
from cosim.solution import worst


def packed_view(inspection: Inspection) -> dict[str, Any]:
    """Names as in the dataclasses, arrays as arrays; waveforms in 32 bits, which is finer than any screen."""
    return {
        "subject": _subject(inspection.subject),
        "arrays": [_cells(array) for array in inspection.arrays],
        "netlist": inspection.netlist,
        "poles": inspection.poles,
        "answer": _answer(inspection.answer),
        "traces": _traces(inspection.traces),
    }


def _subject(subject: Subject) -> dict[str, Any]:
    rows, columns = subject.matrix.shape
    parts = asdict(subject.hardware)
    return {
        "kind": subject.kind,
        "title": subject.title,
        "hardware_name": subject.hardware_name,
        "parts": {name: str(value) for name, value in _flat(parts)},
        "rows": rows,
        "columns": columns,
        "write": subject.write,
        "call": subject.call,
    }


def _flat(values: dict[str, Any], path: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        found += _flat(value, f"{path}{name}.") if isinstance(value, dict) else [(f"{path}{name}", value)]
    return found


def _cells(array: CellArray) -> dict[str, Any]:
    """Lines of all cells in one row, beside how many of them each cell has."""
    cells = [numbers for row in array.lines for numbers in row]
    return {
        "name": array.name,
        "sign": array.sign,
        "target": array.target,
        "programmed": array.programmed,
        "levels": array.levels,
        "stuck": array.stuck,
        "counts": np.array([len(numbers) for numbers in cells], dtype=np.int64),
        "lines": np.array([number for numbers in cells for number in numbers], dtype=np.int64),
    }


def _answer(answer: Answer) -> dict[str, Any]:
    values = {
        name: getattr(answer, name) for name in ("rhs", "scale", "inputs", "volts", "value", "expected", "errors")
    }
    return {**values, "statuses": [str(one) for one in answer.statuses], "worst": str(worst(answer.statuses))}


def _traces(traces: Traces) -> dict[str, Any]:
    return {
        "backend": traces.backend,
        "times": traces.times,
        "volts": traces.volts.astype(np.float32),
        "windows": traces.windows,
        "settled": traces.settled,
        "band": traces.band,
        "settling_times": traces.settling_times,
        "message": traces.message,
    }
