"""Draws how the supernet works, as images/supernet.svg: python docs/images/supernet.py."""

from __future__ import annotations

from html import escape
from pathlib import Path

FILE = Path(__file__).with_suffix(".svg")
WIDTH, HEIGHT = 960, 830
SHADES = ("#174a7c", "#3f7cb5", "#82b0da", "#c3daef")
"""Of 40, 60, 80 and 100 % of the channels."""
ONCE, EACH, TEACHER, LINE = "#cfe8d5", "#f3f4f6", "#fbe3c0", "#4b5563"


def text(x: float, y: float, words: str, size: int = 13, anchor: str = "middle", **how: str) -> str:
    """A line of text."""
    extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in how.items())
    place = f'x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"'
    return f"<text {place}{extra}>{escape(words)}</text>"


def box(
    x: float, y: float, wide: float, high: float, fill: str, *lines: str, dash: str = ""
) -> str:
    """A box with lines of text in its middle."""
    frame = (
        f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" rx="5" fill="{fill}" '
        f'stroke="{LINE}" stroke-dasharray="{dash}"/>'
    )
    top = y + high / 2 + 4.5 - 8 * (len(lines) - 1)
    return frame + "".join(
        text(x + wide / 2, top + 16 * number, line) for number, line in enumerate(lines)
    )


def arrow(x: float, y: float, to_x: float, to_y: float, dash: str = "") -> str:
    """An arrow."""
    return (
        f'<path d="M{x:g} {y:g}L{to_x:g} {to_y:g}" stroke="{LINE}" fill="none" '
        f'stroke-dasharray="{dash}" marker-end="url(#tip)"/>'
    )


def line(x: float, y: float, to_x: float, to_y: float) -> str:
    """A line without a tip."""
    return f'<path d="M{x:g} {y:g}L{to_x:g} {to_y:g}" stroke="#9ca3af" fill="none"/>'


def bar(x: float, y: float, wide: float, high: float, fill: str) -> str:
    """Channels."""
    return f'<rect x="{x:g}" y="{y:g}" width="{wide:g}" height="{high:g}" fill="{fill}"/>'


def layer(x: float, y: float, high: float, dash: str = "") -> str:
    """An elastic layer: its channels from top to bottom, the first 40 % darkest."""
    shares = (0.4, 0.2, 0.2, 0.2)
    parts, top = "", y
    for share, shade in zip(shares, SHADES, strict=True):
        parts += bar(x, top, 26, share * high, shade)
        top += share * high
    frame = (
        f'<rect x="{x:g}" y="{y:g}" width="26" height="{high:g}" fill="none" stroke="{LINE}" '
        f'stroke-width="1.5" stroke-dasharray="{dash}"/>'
    )
    return parts + frame


def space(y: float) -> str:
    """The search space [2,2,X]."""
    parts = [text(20, y, "The space [2,2,X]", 18, "start", font_weight="bold")]
    parts.append(box(20, y + 62, 90, 50, EACH, "log-mel"))
    parts += [arrow(110, y + 87, 138, y + 87), box(140, y + 47, 110, 80, ONCE, "block 1", "static")]
    for number, (x, high) in enumerate(((290, 100), (450, 130), (610, 160)), start=2):
        top = y + 87 - high / 2
        parts.append(arrow(250 if number == 2 else x - 90, y + 87, x - 4, y + 87))
        parts += [layer(x, top, high), layer(x + 44, top, high, "5 3" if number == 4 else "")]
        parts.append(arrow(x + 26, y + 87, x + 42, y + 87))
        parts.append(text(x + 35, y + 186, f"block {number}"))
    parts.append(text(645, y + 202, "second layer or not", 12))
    parts.append(text(402, y + 202, "each 40, 60, 80 or 100 % of the channels", 12))
    parts += [arrow(682, y + 87, 710, y + 87), box(712, y + 62, 80, 50, ONCE, "head")]
    parts += [
        text(812, y + 40, "A narrower layer is", 13, "start"),
        text(812, y + 58, "the first channels of", 13, "start"),
        text(812, y + 76, "a wider one.", 13, "start"),
        text(812, y + 106, "4 x 4 x 4 widths,", 13, "start"),
        text(812, y + 124, "2 depths:", 13, "start"),
        text(812, y + 142, "128 subnets", 13, "start", font_weight="bold"),
    ]
    return "".join(parts)


def step(y: float) -> str:
    """A training step on four subnets."""
    parts = [text(20, y, "The step, on K = 4 subnets", 18, "start", font_weight="bold")]
    parts += [box(20, y + 92, 80, 50, EACH, "clips"), arrow(100, y + 117, 128, y + 117)]
    parts.append(box(130, y + 77, 150, 80, ONCE, "block 1 and the first", "elastic layer:", "once"))
    for number, (share, shade) in enumerate(zip((0.4, 0.6, 0.8, 1.0), SHADES, strict=True)):
        top = y + 20 + 50 * number
        parts.append(arrow(280, y + 117, 328, top + 20))
        parts.append(box(330, top, 150, 40, EACH, f"subnet {number + 1}"))
        parts.append(bar(338, top + 6, 10, 28 * share, shade))
        parts.append(arrow(480, top + 20, 538, y + 117))
    parts.append(box(540, y + 92, 100, 50, EACH, "sum of", "4 losses"))
    scores = "soft labels: scores that the", "teacher gave each clip, once"
    parts.append(box(712, y + 77, 200, 80, TEACHER, *scores))
    parts.append(arrow(712, y + 117, 644, y + 117))
    parts.append(
        f'<path d="M590 {y + 142:g}V{y + 240:g}H205V{y + 161:g}" stroke="{LINE}" fill="none" '
        'stroke-dasharray="5 3" marker-end="url(#tip)"/>'
    )
    parts.append(text(398, y + 257, "gradients of all subnets meet in the weights that they share"))
    return "".join(parts)


def tree(y: float) -> str:
    """The tree of prefixes that the search walks."""
    parts = [text(20, y, "The tree, for the search", 18, "start", font_weight="bold")]
    parts.append(box(20, y + 82, 110, 44, ONCE, "block 1"))
    for number, width in enumerate(("40 %", "60 %", "80 %", "100 %")):
        top = y + 20 + 44 * number
        parts += [line(130, y + 104, 190, top + 16), line(300, y + 36, 360, top + 16)]
        parts.append(box(190, top, 110, 32, EACH, f"block 2: {width}"))
        parts.append(box(360, top, 110, 32, EACH, f"block 3: {width}"))
    for number, words in enumerate(
        ("block 4: 40 %, 1 layer", "40 %, 2 layers", "60 %, 1 layer", "...")
    ):
        top = y + 20 + 44 * number
        parts += [line(470, y + 36, 530, top + 16), box(530, top, 150, 32, EACH, words)]
    for number in (1, 2, 3):
        parts.append(text(312, y + 41 + 44 * number, "...", 13))
        parts.append(text(484, y + 41 + 44 * number, "...", 13))
    for number, words in enumerate((
        "A box is computed once,",
        "with its batch norm recalibrated,",
        "for all subnets to its right.",
        "",
        "All 128 scores cost a sixth",
        "of scoring them one by one.",
    )):  # fmt: skip
        parts.append(text(712, y + 52 + 22 * number, words, 13, "start"))
    return "".join(parts)


def drawing() -> str:
    """The whole picture."""
    marker = (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z" fill="{LINE}"/></marker></defs>'
    )
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="Helvetica, Arial, sans-serif" role="img">'
        "<title>The space of subnets, a training step, and the tree of the search</title>"
    )
    white = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    return "".join([head, marker, white, space(34), step(298), tree(606), "</svg>\n"])


if __name__ == "__main__":
    FILE.write_text(drawing(), encoding="utf-8")
