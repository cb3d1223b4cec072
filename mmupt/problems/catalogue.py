"""The public data sets that mmupt knows by name: what data/catalogue.toml says about each."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmupt.errors import UserError
from mmupt.problems.rows import Columns
from mmupt.shipped import catalogue


@dataclass(frozen=True, slots=True)
class Entry:
    """One data set of the hub."""

    name: str
    """Name by which mmupt calls it."""
    id: str
    """Name on the hub."""
    revision: str | None
    """Commit on the hub; None takes the newest."""
    splits: tuple[str, ...]
    """Splits that are known; () where none is recorded."""
    columns: Columns
    licence: str | None
    """None where it is not known."""
    about: str
    subset: str | None = None
    """Its configuration, where the hub has several."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """Rows of a split, where they are known."""


def entries(path: Path | None = None) -> dict[str, Entry]:
    """Every entry by name."""
    where = path or catalogue()
    with where.open("rb") as file:
        tables = tomllib.load(file)
    return {name: _entry(name, table, where) for name, table in tables.items()}


def by_id(hub_id: str) -> Entry | None:
    """The entry of a data set that is given by its name on the hub."""
    return next((entry for entry in entries().values() if entry.id == hub_id), None)


def _entry(name: str, table: dict[str, object], where: Path) -> Entry:
    columns = table.get("columns", {})
    splits = table.get("splits", [])
    rows = table.get("rows", {})
    if not (isinstance(columns, dict) and isinstance(rows, dict) and isinstance(splits, list) and "id" in table):
        raise UserError(f"entry {name} needs an id, tables of columns and rows, a list of splits", where=str(where))
    return Entry(
        name=name,
        id=str(table["id"]),
        revision=_optional(table, "revision"),
        splits=tuple(str(split) for split in splits),
        columns=Columns(**{field: (str(column),) for field, column in columns.items()}),
        licence=_optional(table, "licence"),
        about=str(table.get("about", "")),
        subset=_optional(table, "subset"),
        rows=rows,
    )


def _optional(table: dict[str, object], key: str) -> str | None:
    return str(table[key]) if key in table else None
