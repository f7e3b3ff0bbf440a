"""SPICE numbers: 1k, 10meg, 3.3n, with any unit letters after the scale."""

import re

_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)([a-z]*)$", re.IGNORECASE | re.ASCII)
_SCALES = (
    ("meg", 1e6),
    ("mil", 25.4e-6),
    ("t", 1e12),
    ("g", 1e9),
    ("k", 1e3),
    ("m", 1e-3),
    ("u", 1e-6),
    ("n", 1e-9),
    ("p", 1e-12),
    ("f", 1e-15),
)


def spice_number(text: str) -> float:
    """The value of a SPICE number; ValueError where it is none. 'm' is milli, 'meg' is mega."""
    match = _NUMBER.match(text)
    if match is None:
        raise ValueError(f"{text!r} is no SPICE number")
    digits, suffix = match.groups()
    if suffix[:1] in ("a", "A"):
        raise ValueError(f"{text!r} is no SPICE number that every simulator reads alike ('a' is atto to some)")
    for name, scale in _SCALES:
        if suffix.lower().startswith(name):
            return float(digits) * scale
    return float(digits)
