"""The command that shows what refinement and block recursion reach: precision. Exit 1 where a promise is missed."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from training.tables import Damping, Factors, Seeds, Shown, Spice

Rows = Sequence[Mapping[str, Any]]


def precision(
    out: Annotated[Path, typer.Option("-o", "--out", help="The table of the factors, .csv; others go beside it.")],
    factors: Factors = None,
    seeds: Seeds = 3,
    damping: Damping = 0.1,
    images: Annotated[Path | None, typer.Option(help="Folder of EMNIST Letters for the large factors.")] = None,
    spice: Spice = True,
    proof: Annotated[bool, typer.Option("--proof", help="Random 16 x 16 matrices, every slice too.")] = False,
    large: Annotated[bool, typer.Option("--large", help="A factor of 1024 rows on arrays of 64.")] = False,
    progress: Shown = True,
) -> None:
    """Error against cycle of refined solves, error and operations against size of block solves."""
    from cosim.block_table import block_table, draw_blocks, feature_factors
    from cosim.precision_table import draw_cycles, factor_table
    from cosim.table_files import check_out, write_table
    from training.example_factors import get_factors
    from training.tables import clock

    check_out(out)
    matrices = get_factors(factors)
    with clock("refinement", progress) as done:
        rows = factor_table(matrices, "nodal", damping, seeds, done=done)
        if spice:
            rows += factor_table(_one_of_each_size(matrices), "spice", damping, 1, done=done)
    write_table(rows, out, draw_cycles)
    _print("Analog solves to a residual, worst chip and factor", _needed(rows, "worst_residual", (1e-3, 1e-6)))
    sizes = feature_factors(_images(images), (64, 128, 256) if not large else (64, 128, 256, 512, 1024))
    blocks = out.with_stem(out.stem + "-blocks")
    with clock("blocks", progress) as done:
        write_table(block_table(sizes, "nodal", damping, done=done), blocks, draw_blocks)
    missed = [*(_prove(spice, progress) if proof else []), *(_prove_large(sizes, damping) if large else [])]
    Console().print(f"tables {out} and {blocks}, a plot beside each", highlight=False, soft_wrap=True)
    for words in missed:
        Console().print(f"MISSED: {words}", highlight=False, soft_wrap=True)
    raise typer.Exit(int(bool(missed)))


def _one_of_each_size(matrices: Mapping[str, Any]) -> dict[str, Any]:
    return {name: matrix for _, (name, matrix) in {len(m): (n, m) for n, m in matrices.items()}.items()}


def _images(folder: Path | None) -> Any:
    """Images whose features make large factors: EMNIST Letters where given, else digits."""
    from training.data import load_dataset

    dataset = load_dataset("emnist-letters", str(folder)) if folder else load_dataset("digits")
    return dataset.train_images.numpy()[:3000]


def _cases(rows: Rows) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
    """The rows of each backend, method, conditioning, bits and matrix."""
    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = tuple(str(row[name]) for name in ("backend", "method", "conditioning", "bits", "matrix"))
        found.setdefault(key, []).append(row)
    return found


def _needed(rows: Rows, column: str, limits: Sequence[float]) -> list[dict[str, str]]:
    """For each kind of refinement, the largest number of solves that any matrix needs for each limit."""
    from cosim.precision_table import solves_needed

    found: dict[tuple[str, ...], list[list[int | None]]] = {}
    for key, own in _cases(rows).items():
        found.setdefault(key[:4], []).append([solves_needed(own, column, limit) for limit in limits])
    table = []
    for key, counts in found.items():
        columns = zip(limits, zip(*counts, strict=True), strict=True)
        worst = {f"{limit:g}": "not all" if None in c else str(max(c)) for limit, c in columns}
        table.append({**dict(zip(("backend", "method", "conditioning", "bits"), key, strict=True)), **worst})
    return table


def _prove(spice: bool, progress: bool) -> list[str]:
    """Random matrices of 16 rows, 3-bit slices, 1 % write error, 4-bit converters, 20 chips: what misses its limit."""
    from circuits import Conditioning
    from cosim.precision_table import random_table, solves_needed
    from training.tables import clock

    with clock("16 x 16", progress) as done:
        rows = random_table("nodal", 20, products="rounded", done=done)
        if spice:
            rows += random_table(
                "spice", 20, methods=["fcg"], conditionings={"rank 4": Conditioning(deflate=4)}, done=done
            )
    table, missed = [], []
    for key, own in _cases(rows).items():
        counts = [solves_needed(own, column, 1e-7) for column in ("median_error", "worst_error")]
        words = ["none" if count is None else str(count) for count in counts]
        names = ("backend", "method", "conditioning", "bits", "matrix", "median", "worst")
        table.append(dict(zip(names, (*key, *words), strict=True)))
        limit = {"spd 5": 10, "spd 30": 16}[key[4]]
        if key[:3] == ("spice", "fcg", "rank 4") and not (counts[1] is not None and counts[1] <= limit):
            missed.append(f"{key[4]} takes {words[1]} analog solves to 1e-7 on the worst chip in ngspice, not {limit}.")
    _print("Analog solves to an error of 1e-7, 16 x 16, 3 bits, 4-bit converters, 1 % write error, 20 chips", table)
    return missed


def _prove_large(factors: Mapping[str, Any], damping: float) -> list[str]:
    """Seconds to program, and for each further right-hand side, of large factors to 1e-6: what misses its limit."""
    import numpy as np

    from circuits import Hardware, Programming
    from cosim.trial import damped_factors
    from training.engine import build_backend

    table, missed = [], []
    for name, matrix in damped_factors(factors, damping).items():
        rhs = np.random.default_rng(0).standard_normal((4, len(matrix)))
        with build_backend("nodal", Hardware(programming=Programming(sigma=0.02)), "hp:1e-6", max_array=64) as backend:
            start = time.perf_counter()
            programmed = backend.program(matrix)
            found = [programmed.solve(rhs[0], throw=False)]
            ready = time.perf_counter()
            found += [programmed.solve(one, throw=False) for one in rhs[1:]]
            seconds = (time.perf_counter() - ready) / 3
        residual = max(float(one.stats.residual.max()) for one in found)
        notes = found[-1].stats.notes
        figures = {"program and first": ready - start, "further": seconds, "residual": residual}
        counts = {key: notes.get(key, 0.0) for key in ("solves", "inv", "mvm", "arrays", "cells")}
        table.append({"factor": name, **{key: f"{value:.3g}" for key, value in {**figures, **counts}.items()}})
        if len(matrix) == 1024 and not (ready - start < 30 and seconds < 0.5 and residual <= 1e-6):
            missed.append(
                f"{name}: {ready - start:.1f} s of 30 to program, {seconds:.2f} s of 0.5 for a right-hand side."
            )
    _print("Large factors to 1e-6 in nodal, arrays of 64 rows, 3 bits, 2 % write error; seconds", table)
    return missed


def _print(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console(width=None if Console().is_terminal else 130).print(table)
