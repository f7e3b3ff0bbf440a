"""Netlist text becomes elements; what cannot be read is refused with its line, its text and the way out."""

import re

import pytest
from cases import NUMBERS

from circuits import InputError, LinearCircuit
from circuits.deck import Deck
from circuits.units import spice_number

DIVIDER = """title
V1 a 0 3
R1 a b 1k
R2 b 0 2k
"""
REFUSED = [
    ("B1 b 0 V=V(a)", r"hardware\.linear\(\)|ngspice"),
    ("D1 b 0 diode", "diode.*ngspice"),
    ("M1 b a 0 0 nmos", "transistor.*on-resistance"),
    ("Q1 b a 0 npn", "transistor.*ngspice"),
    ("J1 b a 0 jfet", "ngspice"),
    ("L1 b 0 1u", "inductor.*ngspice"),
    ("K1 L1 L2 0.9", "coupled.*ngspice"),
    ("S1 b 0 a 0 switch", "switch.*ngspice"),
    ("F1 b 0 V1 2", "G with a sense resistor"),
    ("H1 b 0 V1 2", "E with a sense resistor"),
    (".param r=1k", "write the numbers out"),
    (".include parts.lib", "put the included lines"),
    (".lib parts.lib tt", "put the library's lines"),
    (".model diode D", "model.*ngspice"),
    (".ic V(b)=1", "empty.*ngspice"),
    (".unheard of", "ngspice"),
    (".control", "ngspice"),
    ("X1 a b nowhere", r"no \.subckt 'nowhere'"),
    ("R3 b 1k", "2 nodes and a value"),
    ("R3 b", "2 nodes and a value"),
    ("G1 0 b a 1m", "4 nodes and a value"),
    ("E1 b 0 a 2", "4 nodes and a value"),
    ("V2 b 1", "2 nodes and a value"),
    ("R3 b 0 0", "0 ohm: join the two nodes"),
    ("R3 b 0 0k", "0 ohm: join the two nodes"),
    ("R3 b 0 {2*r}", "expressions are not read"),
    ("R3 b 0 'r'", "expressions are not read"),
    ("R3 b 0 1k tc1=1e-3", "only a number may follow"),
    ("C1 b 0 1n ic=2", "only a number may follow"),
    ("G1 0 b a 0 poly(1)", "expressions are not read"),
    ("I1 0 b sin(0 1 1meg)", r"number, DC number or PWL"),
    ("V2 b 0 DC", r"number, DC number or PWL"),
    ("V2 b 0 ()", r"number, DC number or PWL"),
    ("V2 b 0 DC 1 AC 1", r"number, DC number or PWL"),
    ("V2 b 0 PWL(0 0 1n)", "pairs of rising time"),
    ("V2 b 0 PWL(0 0 1n 1 1n 2)", "pairs of rising time"),
    ("V2 b 0 PWL(2n 0 1n 1)", "pairs of rising time"),
    ("V2 b 0 PWL(0 0 1n 1) r=0", "PWL"),
    (".subckt", "needs a name"),
]


def volts(body: str, *nodes: str) -> list[float]:
    return LinearCircuit.read("title\n" + body).settled(list(nodes)).tolist()


@pytest.mark.parametrize(("text", "value"), NUMBERS.items())
def test_spice_number(text: str, value: float) -> None:
    assert spice_number(text) == pytest.approx(value, rel=1e-15)
    assert spice_number(text.upper()) == spice_number(text.lower())


@pytest.mark.parametrize(
    "text", ["", "k", "1 k", "4k7", "1,5", "{r}", "--1", "e3", "1_000", "nan", "inf", "1A", "0x10", "٣"]
)
def test_no_spice_number(text: str) -> None:
    # 1A is 1 to ngspice 39 and atto elsewhere; 1_000 is 1 to ngspice and 1000 to Python.
    with pytest.raises(ValueError, match="SPICE number"):
        spice_number(text)


def test_first_line_is_the_title_whatever_it_says() -> None:
    assert LinearCircuit.read("R9 b 0 1m\n" + DIVIDER.partition("\n")[2]).settled(["b"]) == pytest.approx([2.0])


def test_comments_and_blank_lines_say_nothing() -> None:
    body = """* R9 b 0 1m
   * indented
; R9 b 0 1m
$ R9 b 0 1m

V1 a 0 3 ; R9 b 0 1m
R1 a b 1k $ twice
R2 b 0 2k
.end
R9 b 0 1m
"""
    assert volts(body, "b") == pytest.approx([2.0])


def test_continuations_join_across_comments() -> None:
    body = """V1 a
+ 0
* between
+ PWL(0 0

+ 1n 3)
R1 a b
+1k
R2 b 0 2k
"""
    assert volts(body, "b") == pytest.approx([2.0])


def test_case_does_not_matter() -> None:
    deck = Deck.read("title\nv1 A gnd Dc 3\nr1 a B 1K\nXlow B 0 HALF\n.SUBCKT half P Q\nR1 p q 2k\n.ENDS\n.END\n")
    assert LinearCircuit(deck).settled(["b", "B"]) == pytest.approx([2.0, 2.0])


def test_every_name_of_ground_is_ground() -> None:
    assert volts("V1 a 0 3\nR1 a b 1k\nR2 b GND 2k\nR3 b Gnd 2meg\nR4 b 0 1meg", "b") == pytest.approx(
        [3 / (1 + 0.502)], rel=1e-3
    )
    # Ground is ground inside a subcircuit too, even where no port carries it.
    assert volts("V1 a 0 3\nR1 a b 1k\nX1 b half\n.subckt half p\nR1 p 0 2k\n.ends", "b") == pytest.approx([2.0])


def test_sources() -> None:
    assert volts("V1 a 0 3\nV2 b 0 DC 4\nV3 c 0 PWL(0 1 1n 2, 2n 5)\nI1 0 d 1m\nR1 d 0 1k", *"abcd") == [3, 4, 5, 1]
    source = Deck.read("t\nV1 a 0 pwl ( 0 0 , 1n 2 3u -4 )").voltages[0]
    assert (source.times, source.values) == ((0, 1e-9, 3e-6), (0, 2, -4))


def test_subcircuits_nest_and_keep_their_local_nodes() -> None:
    # Each `half` divides by two into an E of gain 2, so that it does not load what is before it.
    body = """V1 in 0 1
X1 in mid stage
X2 mid out stage
.subckt stage p q
Xh p m half
E1 q 0 m 0 3
.ends stage
.subckt half p q
R1 p q 1k
R2 q 0 1k
.ends
"""
    deck = Deck.read("title\n" + body)
    assert [e.name for e in deck.passive["r"]] == ["x1.xh.r1", "x1.xh.r2", "x2.xh.r1", "x2.xh.r2"]
    assert deck.passive["r"][0].nodes == ("in", "x1.m")
    # `m` is local: 1/2 in X1 and 3/4 in X2. Port names of `half` mean nothing outside it.
    assert volts(body, "x1.m", "mid", "x2.m", "out") == pytest.approx([0.5, 1.5, 0.75, 2.25])


def test_a_port_hides_an_outer_node_of_its_name() -> None:
    # Inside, a is the outer b and b is the outer a.
    assert volts(
        "V1 a 0 3\nR1 a b 1k\nX1 b a swap\n.subckt swap a b\nR1 a 0 2k\nR2 b 0 1k\n.ends", "b"
    ) == pytest.approx([2.0])


def test_analysis_lines_are_not_elements() -> None:
    cards = ".options reltol=1\n.option x\n.save v(b)\n.tran 1n 1u\n.meas tran m find v(b) at=1u\n.print tran v(b)\n"
    assert volts(DIVIDER.partition("\n")[2] + cards, "b") == pytest.approx([2.0])


@pytest.mark.parametrize(("line", "way_out"), REFUSED)
def test_refusal_names_line_text_and_way_out(line: str, way_out: str) -> None:
    before = "* comment\n\n" + DIVIDER.partition("\n")[2] + "R8 a b\n+ 1k\n"
    number = 2 + before.count("\n")
    with pytest.raises(InputError) as caught:
        Deck.read(f"title\n{before}{line}\nR9 a 0 1k\n")
    assert f"line {number} " in str(caught.value)
    assert line.lower() in str(caught.value)
    assert re.search(way_out, str(caught.value))


def test_refusal_in_a_subcircuit_and_of_its_ports() -> None:
    text = "title\nX1 a b part\nR1 a b 1\n.subckt part p q\nR1 p q 1\n{}\n.ends\n"
    with pytest.raises(InputError, match=r"line 6 \('d1 p q x'\)"):
        Deck.read(text.format("D1 p q x"))
    with pytest.raises(InputError, match=r"line 2 .*2 ports, the line gives 3"):
        Deck.read(text.replace("X1 a b", "X1 a b c").format(""))
    with pytest.raises(InputError, match=r"line 6 .*20 deep"):
        Deck.read(text.format("X9 p q part"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("title\n+ 1k\n", "line 2 .*continuation"),
        ("title\n.subckt part p q\nR1 p q 1\n", r"\.ends"),
        ("title\nR1 a 0 1k\nR1 a 0 2k\n", "line 3 .*r1"),
        ("title\nX1 a p\nX1 a p\n.subckt p q\nR1 q 0 1\n.ends\n", "line 3 .*x1"),
        ("title\n.subckt part p\n.subckt inner q\n.ends\n.ends\n", "line 3 .*inside another"),
    ],
)
def test_broken_structure_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Deck.read(text)
