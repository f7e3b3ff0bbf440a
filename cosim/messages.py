"""ngspice's own words, sorted into reasons: it reports many failures with return code 0."""

import re

REASONS = (
    (
        "undefined parameter",
        r"undefined parameter|cannot compute (substitute|value)|no such parameter|expression err",
    ),
    ("missing model", r"(could not|unable to|can't) find (definition of )?model|unknown model|no such model"),
    ("missing subcircuit", r"unknown subckt|could not find subckt|unable to find definition of subckt"),
    (
        "missing node",
        r"resistance to low|too few (nodes|parameters)|missing node|not enough nodes|no such node",
    ),
    ("singular matrix", r"singular matrix"),
    ("time step too small", r"time ?step too small"),
    ("no convergence", r"no convergence|iteration limit|gmin step(ping)? failed|source step(ping)? failed"),
    (
        "unreadable netlist",
        r"circuit not parsed|(no|aren't any) circuits? loaded|incomplete or empty netlist|"
        r"unknown device type|parse error",
    ),
    ("no analysis", r"no job \(.*\) defined"),
    ("unreadable file", r"could not find include file|cannot open|no such file"),
    ("poisoned process", r"cannot recover|awaits to be (detached|reset)"),
)
"""(reason, pattern) pairs; the first that matches names the failure."""


def classify(messages: list[str]) -> str | None:
    """The reason and ngspice's line, or None where no message tells of a failure."""
    for reason, pattern in REASONS:
        for line in messages:
            if re.search(pattern, line, re.IGNORECASE):
                return f"{reason} (ngspice: {line.strip()})"
    return None


def is_poisoned(messages: list[str]) -> bool:
    """Whether ngspice refuses every later circuit in this process."""
    return any("cannot recover" in line for line in messages)
