"""Where a bench leaves its numbers: a Markdown table and JSON, headed by the commit and the machine that made them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmupt import console
from mmupt.rundir import write_atomic
from tests.bench.machine import describe

Row = Mapping[str, str | float]


def write_table(out: Path, title: str, rows: Sequence[Row], device: str = "cpu") -> None:
    """Write `out`.md and `out`.json, and show the table."""
    where = describe(device)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out.with_suffix(".json"), json.dumps({"title": title, "where": where, "rows": rows}, indent=1) + "\n")
    names = list(rows[0])
    lines = [f"# {title}", "", where, "", "| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(_cell(row[name]) for name in names) + " |" for row in rows]
    write_atomic(out.with_suffix(".md"), "\n".join(lines) + "\n")
    console.say("\n".join(lines))


def _cell(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.3g}"
