"""The port reduction of wired arrays against hand calculation and networks that are put together node by node."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import pytest
from cases import Array
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_array
from scipy.sparse.linalg import splu

from circuits import InputError, LinearCircuit
from circuits.wires import port_resistors, reduce_array

G_MAX, SEGMENT = 35e-6, 1.73  # 40 nm chip: a cell is 16,500 segments
Node = tuple[str, int] | tuple[str, int, int]
Edge = tuple[Node, Node, float]


def edges(cells: Array, r_row: float, r_col: float, both_sides: bool = False) -> Iterator[Edge]:
    """Every resistor of an array: two nodes and a conductance [S]. A node of an ideal line is its port."""
    rows, columns = cells.shape
    for i in range(1, rows + 1):
        for j in range(1, columns + 1):
            yield row_node(i, j, r_row), column_node(i, j, r_col), cells[i - 1, j - 1]
    for i in range(1, rows + 1) if r_row else ():
        for j in range(1, columns + 1):
            yield row_node(i, j - 1, r_row), row_node(i, j, r_row), 1 / r_row
        if both_sides:
            yield row_node(i, columns, r_row), ("row", i), 1 / r_row
    for j in range(1, columns + 1) if r_col else ():
        for i in range(1, rows + 1):
            yield column_node(i - 1, j, r_col), column_node(i, j, r_col), 1 / r_col
        if both_sides:
            yield column_node(rows, j, r_col), ("column", j), 1 / r_col


def row_node(i: int, j: int, r_row: float) -> Node:
    return ("r", i, j) if j and r_row else ("row", i)


def column_node(i: int, j: int, r_col: float) -> Node:
    return ("c", i, j) if i and r_col else ("column", j)


def ports_of(cells: Array) -> list[Node]:
    rows, columns = cells.shape
    return [*(("row", i) for i in range(1, rows + 1)), *(("column", j) for j in range(1, columns + 1))]


def stamps(resistors: list[Edge], ports: list[Node]) -> tuple[list[int], list[int], list[float]]:
    """Row, column and value of the Laplacian's entries, ports first."""
    index = {node: k for k, node in enumerate(ports)}
    triplets: list[tuple[int, int, float]] = []
    for a, b, g in resistors:
        p, q = (index.setdefault(node, len(index)) for node in (a, b))
        triplets += [(p, p, g), (q, q, g), (p, q, -g), (q, p, -g)]
    at, to, value = zip(*triplets, strict=True)
    return list(at), list(to), list(value)


def dense(resistors: list[Edge], ports: list[Node]) -> Array:
    """The Schur complement of the whole Laplacian."""
    at, to, value = stamps(resistors, ports)
    full, n = np.zeros((max(at) + 1,) * 2), len(ports)
    np.add.at(full, (at, to), value)
    return full[:n, :n] - full[:n, n:] @ np.linalg.solve(full[n:, n:], full[n:, :n])


def sparse(resistors: list[Edge], ports: list[Node]) -> Array:
    """The same by sparse LU."""
    at, to, value = stamps(resistors, ports)
    full, n = coo_array((value, (at, to))).tocsc(), len(ports)
    return (full[:n, :n] - full[:n, n:] @ splu(full[n:, n:]).solve(full[n:, :n].toarray())).astype(float)


def star_mesh(resistors: list[Edge], ports: list[Node]) -> Array:
    """One inner node after the other becomes a mesh, g_ab += g_a g_b / sum(g): no difference is ever taken."""
    network: dict[Node, dict[Node, float]] = defaultdict(lambda: defaultdict(float))

    def join(a: Node, b: Node, g: float) -> None:
        if a != b:
            network[a][b] += g
            network[b][a] += g

    for resistor in resistors:
        join(*resistor)
    for node in [node for node in network if node not in ports]:
        arms = list(network.pop(node).items())
        total = sum(g for _, g in arms)
        for k, (a, to_a) in enumerate(arms):
            del network[a][node]
            for b, to_b in arms[:k]:
                join(a, b, to_a * to_b / total)
    mesh = np.array([[-network[a][b] for b in ports] for a in ports])
    return mesh - np.diag(mesh.sum(axis=1))


def random_cells(rows: int, columns: int, seed: int, filled: float = 0.7) -> Array:
    random = np.random.default_rng(seed)
    return random.uniform(0.5e-6, G_MAX, (rows, columns)) * (random.random((rows, columns)) < filled)


def assert_close(value: Array, truth: Array, tolerance: float) -> None:
    np.testing.assert_allclose(value, truth, rtol=0, atol=tolerance * np.abs(truth).max())


def assert_resistive(ports: Array) -> None:
    """What a network of resistors between the ports looks like."""
    assert np.array_equal(ports, ports.T)
    assert ports[~np.eye(len(ports), dtype=bool)].max(initial=0) <= 0
    assert np.abs(ports.sum(axis=1)).max() <= 1e-15 * len(ports) * ports.max()


def test_one_cell_is_three_resistors_in_series() -> None:
    g = 1 / (2 + 1 / 0.25 + 3)
    assert reduce_array(np.array([[0.25]]), 2, 3) == pytest.approx(np.array([[g, -g], [-g, g]]), rel=1e-15)


def test_one_cell_driven_from_both_sides_has_two_segments_in_parallel() -> None:
    g = 1 / (2 / 2 + 1 / 0.25 + 3 / 2)
    ports = reduce_array(np.array([[0.25]]), 2, 3, both_sides=True)
    assert ports == pytest.approx(np.array([[g, -g], [-g, g]]), rel=1e-15)


@pytest.mark.parametrize(("r_row", "r_col"), [(2.0, 3.0), (2.0, 0.0), (0.0, 3.0)])
def test_row_of_two_cells_is_a_ladder(r_row: float, r_col: float) -> None:
    # Each column is a cell and one segment in series. From the row port: a segment, node 1, a segment, node 2.
    one, two = 1 / (1 / 0.25 + r_col), 1 / (1 / 0.5 + r_col)
    two_from_node_1 = 1 / (1 / two + r_row)
    total = 1 + r_row * (one + two_from_node_1)
    row_one, row_two, between = one / total, two_from_node_1 / total, r_row * one * two_from_node_1 / total
    by_hand = [
        [row_one + row_two, -row_one, -row_two],
        [-row_one, row_one + between, -between],
        [-row_two, -between, row_two + between],
    ]
    np.testing.assert_allclose(reduce_array(np.array([[0.25, 0.5]]), r_row, r_col), by_hand, rtol=1e-14)


@pytest.mark.parametrize("both_sides", [False, True])
def test_ideal_lines_leave_exactly_the_cells(both_sides: bool) -> None:
    cells = random_cells(3, 5, seed=1)
    ports = reduce_array(cells, 0, 0, both_sides)
    np.testing.assert_array_equal(ports[:3, 3:], -cells)
    assert np.count_nonzero(ports[:3, :3]) == 3
    assert np.count_nonzero(ports[3:, 3:]) == 5
    assert_resistive(ports)


def ladder(cells: Array, r: float) -> float:
    """[S] from the port to the far side of all cells, which are tied together."""
    seen = 0.0
    for g in cells[::-1]:
        seen = 1 / (r + 1 / (g + seen))
    return seen


def test_with_all_columns_tied_every_row_is_a_ladder() -> None:
    cells = random_cells(4, 6, seed=2, filled=1.0)
    ports = reduce_array(cells, SEGMENT, 0)
    currents = ports[:4, 4:].sum(axis=1)
    np.testing.assert_allclose(-currents, [ladder(row, SEGMENT) for row in cells], rtol=1e-13)
    assert np.count_nonzero(ports[:4, :4]) == 4  # ideal columns part the rows


def test_with_all_rows_tied_every_column_is_a_ladder() -> None:
    cells = random_cells(4, 6, seed=3, filled=1.0)
    ports = reduce_array(cells, 0, SEGMENT)
    currents = ports[:4, 4:].sum(axis=0)
    np.testing.assert_allclose(-currents, [ladder(column, SEGMENT) for column in cells.T], rtol=1e-13)
    assert np.count_nonzero(ports[4:, 4:]) == 6


@pytest.mark.parametrize("both_sides", [False, True])
@pytest.mark.parametrize(("r_row", "r_col"), [(SEGMENT, SEGMENT), (SEGMENT, 0.0), (0.0, SEGMENT), (1e4, 2e4)])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 6), (6, 1), (3, 5), (6, 4)])
def test_small_arrays(rows: int, columns: int, r_row: float, r_col: float, both_sides: bool) -> None:
    cells = random_cells(rows, columns, seed=rows)
    if rows > 1 < columns:
        cells[1], cells[:, 1] = 0, 0
    cells[0, 0] = G_MAX
    ports, resistors = reduce_array(cells, r_row, r_col, both_sides), list(edges(cells, r_row, r_col, both_sides))
    assert_resistive(ports)
    assert_close(ports, dense(resistors, ports_of(cells)), 1e-10)
    np.testing.assert_allclose(ports, star_mesh(resistors, ports_of(cells)), rtol=1e-13)


def test_a_line_without_cells_is_left_out() -> None:
    cells = random_cells(3, 4, seed=5, filled=1.0)
    cells[2], cells[:, 0] = 0, 0
    ports = reduce_array(cells, SEGMENT, SEGMENT, both_sides=True)
    assert not ports[[2, 3]].any()
    assert np.count_nonzero(ports) == 5 * 5


conductances = st.just(0.0) | st.floats(1e-9, 1)
segments = st.just(0.0) | st.floats(1e-3, 1e6)


@given(data=st.data(), rows=st.integers(1, 4), columns=st.integers(1, 4), both_sides=st.booleans())
@settings(deadline=None)
def test_any_array(data: st.DataObject, rows: int, columns: int, both_sides: bool) -> None:
    values = data.draw(st.lists(conductances, min_size=rows * columns, max_size=rows * columns))
    cells, r_row, r_col = np.reshape(values, (rows, columns)), data.draw(segments), data.draw(segments)
    ports = reduce_array(cells, r_row, r_col, both_sides)
    assert_resistive(ports)
    mesh = star_mesh(list(edges(cells, r_row, r_col, both_sides)), ports_of(cells))
    np.testing.assert_allclose(ports, mesh, rtol=1e-15 * (10 + r_row * cells.max()) * len(ports), atol=1e-300)


@pytest.mark.parametrize("both_sides", [False, True])
def test_transposed_array_swaps_the_ports(both_sides: bool) -> None:
    cells = random_cells(5, 3, seed=7)
    ports = reduce_array(cells, 40, 300, both_sides)
    swapped = reduce_array(cells.T, 300, 40, both_sides)
    columns_first = [5, 6, 7, 0, 1, 2, 3, 4]
    np.testing.assert_allclose(swapped, ports[np.ix_(columns_first, columns_first)], rtol=1e-13)


@pytest.mark.parametrize("both_sides", [False, True])
def test_a_larger_array_against_sparse_lu(both_sides: bool) -> None:
    cells = random_cells(32, 32, seed=8)
    ports = reduce_array(cells, SEGMENT, SEGMENT, both_sides)
    truth = sparse(list(edges(cells, SEGMENT, SEGMENT, both_sides)), ports_of(cells))
    assert_close(ports, truth, 1e-10)
    assert_resistive(ports)


def wired_netlist(cells: Array, r_row: float, r_col: float) -> list[str]:
    """The lines of an array by the names of wires.cir.j2: row 1 next to the column ports, column 1 to the row ports."""
    lines = []
    for i, j in np.ndindex(cells.shape):
        left = f"r{i + 1}_{j}" if j else f"row{i + 1}"
        above = f"c{i}_{j + 1}" if i else f"out{j + 1}"
        lines.append(f"Rwr{i + 1}_{j + 1} {left} r{i + 1}_{j + 1} {r_row}")
        lines.append(f"Rwc{i + 1}_{j + 1} {above} c{i + 1}_{j + 1} {r_col}")
        if cells[i, j]:
            lines.append(f"R{i + 1}_{j + 1} r{i + 1}_{j + 1} c{i + 1}_{j + 1} {float(1 / cells[i, j])!r}")
    return lines


def driven(array: list[str], ports: list[str]) -> Array:
    """[V/V] volts at every port for 1 V behind 1 kOhm at each."""
    drive = [line for name in ports for line in (f"V{name} s{name} 0 0", f"R{name} s{name} {name} 1k")]
    return LinearCircuit.read("\n".join(["title", *array, *drive])).transfer([f"V{name}" for name in ports], ports)


def test_nodal_engine_sees_no_difference_at_the_ports() -> None:
    cells, names = random_cells(4, 3, seed=9), ["row1", "row2", "row3", "row4", "out1", "out2", "out3"]
    wired = driven(wired_netlist(cells, 150, 70), names)
    ports = reduce_array(cells, 150, 70)
    np.testing.assert_allclose(wired, np.linalg.inv(ports + 1e-3 * np.eye(7)) * 1e-3, rtol=0, atol=1e-12)
    resistors = port_resistors(ports, names)
    reduced = driven([f"R{k} {a} {b} {ohm!r}" for k, (a, b, ohm) in enumerate(resistors)], names)
    np.testing.assert_allclose(wired, reduced, rtol=0, atol=1e-11)


def test_port_resistors_join_every_pair_once() -> None:
    ports = np.array([[6, -2, -4, 0], [-2, 2.5, -0.5, 0], [-4, -0.5, 4.5, 0], [0, 0, 0, 0]])
    assert port_resistors(ports, ["a", "b", "c", "d"]) == [("a", "b", 0.5), ("a", "c", 0.25), ("b", "c", 2.0)]


def test_port_resistors_drop_what_is_below_the_limit() -> None:
    ports = np.array([[1 + 1e-13, -1, -1e-13], [-1, 1, 0], [-1e-13, 0, 1e-13]])
    assert port_resistors(ports, ["a", "b", "c"]) == [("a", "b", 1.0)]
    assert len(port_resistors(ports, ["a", "b", "c"], limit=0)) == 2
    assert port_resistors(np.zeros((2, 2)), ["a", "b"]) == []


def test_port_resistors_need_a_name_for_every_port() -> None:
    with pytest.raises(InputError, match="3 ports have 2 names"):
        port_resistors(np.zeros((3, 3)), ["a", "b"])


@pytest.mark.parametrize("cells", [[[-1e-6]], [[1.1]], [[np.nan]], [[np.inf]], [1e-6], [[]]])
def test_conductances_are_refused(cells: list) -> None:
    with pytest.raises(InputError, match="rows, columns"):
        reduce_array(np.array(cells), 1, 1)


@pytest.mark.parametrize(("r_row", "r_col", "name"), [(-1, 1, "r_row"), (1, np.inf, "r_col"), (np.nan, 1, "r_row")])
def test_segments_are_refused(r_row: float, r_col: float, name: str) -> None:
    with pytest.raises(InputError, match=name):
        reduce_array(np.array([[1e-6]]), r_row, r_col)
