"""The report as one page that needs nothing else: no network, no script."""

import re
from collections.abc import Sequence
from html import escape

from training.report.blocks import Block, Bullets, Code, Panels, Section, Table, Text
from training.report.drawing import svg
from training.report.style import STYLE

LONG = 40
"""Letters in a cell that is broken into lines."""
MARKS = (
    (re.compile(r"`([^`]+)`"), r"<code>\1</code>"),
    (re.compile(r"\*\*(.+?)\*\*"), r"<strong>\1</strong>"),
    (re.compile(r"\[([^]]+)\]\(([^)]+)\)"), r'<a href="\2">\1</a>'),
)


def render(title: str, lead: str, sections: Sequence[Section]) -> str:
    """The whole file."""
    contents = "".join(f'<li><a href="#{one.anchor}">{_inline(one.title)}</a></li>' for one in sections)
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            f"<title>Ohmvert: {escape(title)}</title>",
            f"<style>\n{STYLE}</style>",
            "</head>",
            "<body>",
            f"<header><h1>{escape(title)}</h1>",
            f"<p>{_inline(lead)}</p>",
            f"<nav><ul>{contents}</ul></nav></header>",
            "<main>",
            *(_section(one) for one in sections),
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _section(section: Section) -> str:
    blocks = "\n".join(_block(block) for block in section.blocks)
    return f'<section id="{section.anchor}">\n<h2>{_inline(section.title)}</h2>\n{blocks}\n</section>'


def _block(block: Block) -> str:
    match block:
        case Text(words):
            return f"<p>{_inline(words)}</p>"
        case Bullets(items):
            return "<ul>" + "".join(f"<li>{_inline(item)}</li>" for item in items) + "</ul>"
        case Code(lines):
            return "<pre><code>" + escape("\n".join(lines)) + "</code></pre>"
        case Table():
            return _table(block)
        case Panels():
            return _panels(block)


def _table(block: Table) -> str:
    kinds = [f' class="{kind}"' if kind else "" for kind in _kinds(block)]
    head = "".join(
        f'<th scope="col"{kind}>{_inline(cell)}</th>' for kind, cell in zip(kinds, block.columns, strict=True)
    )
    rows = [
        "<tr>" + "".join(f"<td{kind}>{_inline(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)) + "</tr>"
        for row in block.rows
    ]
    caption = f'<p class="caption"><strong>{_inline(block.caption)}</strong></p>'
    body = "\n".join(rows)
    return (
        f'{caption}\n<div class="scroll" tabindex="0"><table>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _kinds(block: Table) -> list[str]:
    """Of each column: numbers stand flush right, long texts may break."""
    longest = [max(len(row[k]) for row in block.rows) for k in range(len(block.columns))]
    return [
        "number" if numeric else "words" if length > LONG else ""
        for numeric, length in zip(block.numeric, longest, strict=True)
    ]


def _panels(block: Panels) -> str:
    drawn = [svg(draw, f"{block.name}-{k}") for k, draw in enumerate(block.draw)]
    shown = "\n".join(f'<div class="panel">{one}</div>' for one in drawn)
    return (
        f'<figure>\n<div class="panels">\n{shown}\n</div>\n<figcaption>{_inline(block.caption)}</figcaption>\n</figure>'
    )


def _inline(words: str) -> str:
    found = escape(words).replace(" %", "\u00a0%")
    for mark, meaning in MARKS:
        found = mark.sub(meaning, found)
    return found
