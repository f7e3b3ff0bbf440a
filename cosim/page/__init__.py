"""The inspector page: one self-contained HTML file that shows circuits, their INV calls and those of a run."""

from cosim.page.assemble import Page, View, assemble
from cosim.page.calls import CallTable

__all__ = ["CallTable", "Page", "View", "assemble"]
