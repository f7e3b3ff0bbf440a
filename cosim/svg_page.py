"""SVG by pieces: rectangles, lines, text, op-amp triangles; nothing of circuits."""

from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

INK, FAINT, PAPER = "#1f2933", "#9aa5b1", "#ffffff"
FONT = "font-family='DejaVu Sans, Arial, sans-serif'"
MONO = "font-family='DejaVu Sans Mono, monospace'"


@dataclass
class SvgPage:
    """A growing drawing; coordinates in pixels from the top left."""

    width: float
    height: float
    _parts: list[str] = field(default_factory=list)

    def rect(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        fill: str,
        stroke: str = "none",
        *,
        thick: float = 1.0,
        tip: str = "",
    ) -> None:
        """A rectangle; `tip` is shown where a pointer rests on it."""
        shape = f'<rect x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}" fill="{fill}" stroke="{stroke}"'
        body = f'{shape} stroke-width="{thick:g}"'
        self._parts.append(f"{body}><title>{escape(tip)}</title></rect>" if tip else f"{body}/>")

    def line(self, *points: tuple[float, float], stroke: str = INK, thick: float = 1.0, dash: str = "") -> None:
        """A line through two points or more."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        dashed = f" stroke-dasharray={quoteattr(dash)}" if dash else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="{thick:g}"{dashed}/>'
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 11,
        anchor: str = "start",
        fill: str = INK,
        *,
        mono: bool = False,
    ) -> None:
        """Words from, around or up to x (start, middle, end), on the line y."""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" fill="{fill}" '
            f'{MONO if mono else FONT} xml:space="preserve">{escape(words)}</text>'
        )

    def opamp(self, x: float, y: float, size: float) -> None:
        """A triangle whose inverting input is at (x, y) and whose output is at (x + size, y)."""
        half = size * 0.48
        self._parts.append(
            f'<path d="M{x:.1f} {y - half:.1f} L{x:.1f} {y + half:.1f} L{x + size:.1f} {y:.1f} Z" '
            f'fill="{PAPER}" stroke="{INK}"/>'
        )

    def write(self) -> str:
        """The whole document."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width:.0f}" height="{self.height:.0f}" '
            f'viewBox="0 0 {self.width:.0f} {self.height:.0f}">'
        )
        back = f'<rect width="100%" height="100%" fill="{PAPER}"/>'
        return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, back, *self._parts, "</svg>"]) + "\n"


def shade(part: float, dark: tuple[int, int, int]) -> str:
    """A colour between almost white (0) and `dark` (1)."""
    part = min(1.0, max(0.0, part))
    light = (246, 248, 250)
    mixed = (round(a + (b - a) * part) for a, b in zip(light, dark, strict=True))
    return "#" + "".join(f"{value:02x}" for value in mixed)
