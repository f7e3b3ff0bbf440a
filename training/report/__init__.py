"""The report on what was measured: one list of sections, written as Markdown and as a page."""
