"""Rendering: what is missing is named, what is not allowed is refused, text is a value."""

import pytest
from jinja2 import DictLoader

from circuits import InputError, netlist
from circuits.netlist import Netlist, number, render


@pytest.fixture
def templates(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "missing.cir.j2": "* one\nR1 a b {{ ohms }}\n",
        "outer.cir.j2": "* outer\n{% include 'missing.cir.j2' %}\n",
        "syntax.cir.j2": "* one\n{% for i in %}\n",
        "escape.cir.j2": "{{ ''.__class__.__mro__ }}",
    }
    monkeypatch.setattr(netlist._ENVIRONMENT, "loader", DictLoader(texts))
    netlist._ENVIRONMENT.cache.clear()
    yield
    netlist._ENVIRONMENT.cache.clear()


@pytest.mark.usefixtures("templates")
@pytest.mark.parametrize("name", ["missing.cir.j2", "outer.cir.j2"])
def test_a_variable_that_is_not_given_is_named_with_its_template(name: str) -> None:
    with pytest.raises(InputError, match="'ohms' is undefined"):
        render(name)


@pytest.mark.usefixtures("templates")
def test_bad_syntax_is_named_with_its_line() -> None:
    with pytest.raises(InputError, match=r"syntax\.cir\.j2 line 2"):
        render("syntax.cir.j2")


@pytest.mark.usefixtures("templates")
def test_a_template_cannot_reach_into_python() -> None:
    with pytest.raises(InputError):
        render("escape.cir.j2")


def test_every_shipped_template_names_its_missing_variable() -> None:
    with pytest.raises(InputError, match=r"inverse\.cir\.j2 line \d+: 'n' is undefined"):
        render("inverse.cir.j2")


def test_the_digest_is_that_of_the_text() -> None:
    one, two = (Netlist(text, ("in1",), ("out1",)) for text in ("R1 a b 1\n", "R1 a b 2\n"))
    assert one.digest == Netlist(one.circuit, (), ()).digest != two.digest
    assert len(one.digest) == 64


def test_numbers_have_twelve_digits() -> None:
    assert number(1 / 3) == "0.333333333333"
    assert number(28571.428571428572) == "28571.4285714"
