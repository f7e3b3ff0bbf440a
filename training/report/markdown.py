"""The report as Markdown."""

from collections.abc import Sequence

from training.report.blocks import Block, Bullets, Code, Panels, Section, Table, Text


def render(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The whole file; figures are on the page, and named here."""
    parts = [f"# {title}", _safe(lead)]
    for section in sections:
        parts += [f"## {section.title}", *(_block(block) for block in section.blocks)]
    return "\n\n".join(parts) + "\n"


def table(block: Table) -> str:
    """A table alone, without its caption."""
    rules = ["---:" if numeric else "---" for numeric in block.numeric]
    return "\n".join(_row(cells) for cells in (block.columns, rules, *block.rows))


def _block(block: Block) -> str:
    match block:
        case Text(words):
            return _safe(words)
        case Bullets(items):
            return "\n".join(f"- {_safe(item)}" for item in items)
        case Code(lines):
            return "\n".join(["```", *lines, "```"])
        case Table(caption):
            return f"**{_safe(caption)}**\n\n{table(block)}"
        case Panels(_, caption):
            return f"*Figure in `report.html`: {_safe(caption)}*"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_safe(cell).replace("|", "\\|") for cell in cells) + " |"


def _safe(words: str) -> str:
    return words.replace("<", "&lt;")
