"""How many rows a problem set has, told without reading them and without the network."""

from pathlib import Path

from mmupt.errors import UserError
from mmupt.problems import catalogue, folder, tiny


def count(spec: str) -> int | None:
    """Rows of the set that `spec` names, before any is left out; None where nothing on this machine tells it."""
    path = Path(spec).expanduser()
    if path.is_dir():
        listed = path / folder.PROBLEMS
        return _lines(listed) if listed.is_file() else None
    if path.is_file():
        return {".jsonl": _lines, ".parquet": _parquet}.get(path.suffix, _unknown)(path)
    name, _, rest = spec.partition(":")
    if name == "tiny" and rest in tiny.SPLITS:
        return _parquet(tiny.data_dir() / f"{rest}.parquet")
    if name == "hub":
        full, _, split = rest.rpartition(":")
        entry = catalogue.by_id(full.partition("@")[0])
    else:
        entry, split = catalogue.entries().get(name), rest
    return None if entry is None else entry.rows.get(split)


def _unknown(path: Path) -> None:
    return None


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(bool(line.strip()) for line in file)


def _parquet(path: Path) -> int:
    import pyarrow
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(path) as file:
            rows: int = file.metadata.num_rows
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"not a readable parquet file ({str(error)[:80]})", where=str(path)) from error
    return rows
