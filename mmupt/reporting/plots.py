"""Plots as inline SVG that follow the page's colours. Fixed ids and no date: same data, same bytes."""

import io
import re
from typing import TYPE_CHECKING

from mmupt.reporting.blocks import Intervals, Plot

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#3b82f6", "#f97316", "#10b981", "#a855f7", "#ef4444", "#eab308", "#06b6d4", "#ec4899")
"""Readable on white and on black."""
_INK, _FAINT = "#010203", "#040506"
"""Stand-ins that the SVG's style replaces by the page's own colours."""
_VARIABLES = {_INK: "var(--ink)", _FAINT: "var(--line)"}


def plot_svg(plot: Plot) -> str:
    """Curves or bars. The colours are explained once, by the page."""
    figure = _figure(4.6, 2.7)
    axes = figure.subplots()
    for number, line in enumerate(plot.lines):
        colour = colour_of(line.colour)
        if plot.bars:
            width = 0.8 * (line.x[1] - line.x[0] if len(line.x) > 1 else 1) / len(plot.lines)
            axes.bar([x + (number - (len(plot.lines) - 1) / 2) * width for x in line.x], line.y, width, color=colour)
        else:
            axes.plot(line.x, line.y, color=colour, marker="o" if len(line.x) <= 20 else None, markersize=3)
    if all(x == int(x) for line in plot.lines for x in line.x):
        axes.locator_params(axis="x", integer=True)
    axes.set_xlabel(plot.x_label)
    axes.set_title(plot.caption, loc="left", fontsize=10)
    axes.margins(y=0.12)
    return _svg(figure)


def colour_of(number: int) -> str:
    """The colour of run `number`."""
    return COLOURS[number % len(COLOURS)]


def intervals_svg(block: Intervals) -> str:
    """One dot with its interval a row, the first row on top, in per cent."""
    figure = _figure(7.0, 0.8 + 0.34 * len(block.rows))
    axes = figure.subplots()
    kinds = list(dict.fromkeys(row.label.rpartition(",")[0] for row in block.rows))
    for height, row in enumerate(reversed(block.rows)):
        colour = colour_of(kinds.index(row.label.rpartition(",")[0]))
        axes.plot([100 * row.low, 100 * row.high], [height, height], color=colour, linewidth=2)
        axes.plot([100 * row.mean], [height], "o", color=colour)
    axes.set_yticks(range(len(block.rows)), [row.label for row in reversed(block.rows)])
    axes.set_ylim(-0.6, len(block.rows) - 0.4)
    axes.set_xlabel("accuracy in %")
    return _svg(figure)


def _figure(width: float, height: float) -> "Figure":
    import matplotlib

    # No pyplot: a figure of its own needs no display and leaves no state behind.
    from matplotlib.figure import Figure

    matplotlib.rcParams.update(
        {"svg.hashsalt": "mmupt", "svg.fonttype": "none", "font.family": "sans-serif", "font.size": 9}
    )
    for name in ("text.color", "axes.labelcolor", "xtick.color", "ytick.color"):
        matplotlib.rcParams[name] = _INK
    faint = {"axes.edgecolor": _FAINT, "grid.color": _FAINT, "axes.grid": True, "axes.spines.top": False}
    plain = {"axes.spines.right": False, "axes.facecolor": "none", "figure.facecolor": "none", "axes.axisbelow": True}
    matplotlib.rcParams.update({**faint, **plain, "text.parse_math": False})
    return Figure(figsize=(width, height), layout="constrained")


def _svg(figure: "Figure") -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(
        r'(<svg[^>]*?) width="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1), count=1
    )
    for colour, variable in _VARIABLES.items():
        text = text.replace(colour, variable)
    return text.replace("\n", " ")
