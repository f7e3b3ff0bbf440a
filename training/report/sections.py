"""The one list of sections that both forms of the report are made of."""

from training.report.blocks import Section
from training.report.claims import PAPER, claims
from training.report.comparison import comparison
from training.report.engines import engines, wall_time
from training.report.found import Found
from training.report.inverses import failures, inverses
from training.report.prices import prices
from training.report.provenance import provenance
from training.report.shortfalls import shortfalls

TITLE = "What was measured"
LEAD = (
    f"Ohmvert's measurements beside the claims of {PAPER}, which it rebuilds in the open. `make report` writes this "
    "from the tables in this folder, and the page `report.html` with the figures: change nothing here by hand."
)


def sections(found: Found) -> list[Section]:
    """In the order in which they are read."""
    tasks = [comparison(name, task) for name, task in found.tasks.items()]
    return [
        claims(found),
        shortfalls(found),
        *tasks,
        engines(found),
        failures(found),
        inverses(found),
        wall_time(found),
        prices(found),
        provenance(found),
    ]
