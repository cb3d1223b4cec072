"""A problem set's name -> the problems.

    tiny:SPLIT, NAME:SPLIT      the embedded sets; an entry of data/catalogue.toml
    hub:ID[@REVISION]:SPLIT     any data set of the hub
    FILE.jsonl, .json, .parquet a file
    FOLDER                      a folder with problems.jsonl, or of pictures

Golds are left behind unless `answers=True`: whoever trains without labels loads without them.
"""

from collections.abc import Iterable
from pathlib import Path

from mmupt.errors import UserError
from mmupt.problems import catalogue, folder, hub, json_file, jsonl, parquet, tiny
from mmupt.problems.problem_set import ProblemSet
from mmupt.problems.rows import Columns, Row, build
from mmupt.suggest import nearest

READERS = {".json": json_file.rows, ".jsonl": jsonl.rows, ".parquet": parquet.rows}


def names() -> tuple[str, ...]:
    """Every set that can be named without a path."""
    public = (f"{entry.name}:{split}" for entry in catalogue.entries().values() for split in entry.splits)
    return tuple(f"tiny:{split}" for split in tiny.SPLITS) + tuple(public)


def load(spec: str, *, answers: bool = False, questions: bool = True, pictures: bool = True) -> ProblemSet:
    """The set that `spec` names.

    `questions=False` also accepts pictures without a question; `pictures=False` looks at no picture.
    """
    rows, columns = _rows(spec)
    return build(rows, source=spec, columns=columns, answers=answers, questions=questions, pictures=pictures)


def read_file(path: Path) -> Iterable[Row]:
    """The raw rows of a file, by its suffix."""
    if path.suffix in READERS and path.is_file():
        return READERS[path.suffix](path)
    raise _unknown(str(path), path)


def _rows(spec: str) -> tuple[Iterable[Row], Columns]:
    path = Path(spec).expanduser()
    if path.is_dir():
        return folder.rows(path), Columns()
    if path.suffix in READERS and path.is_file():
        return read_file(path), Columns()
    name, _, rest = spec.partition(":")
    if name == "tiny" and rest:
        return tiny.rows(rest), Columns()
    if name == "hub" and rest:
        return _from_hub(rest)
    if rest and name in (known := catalogue.entries()):
        return _from_entry(known[name], rest)
    raise _unknown(spec, path)


def _from_hub(rest: str) -> tuple[Iterable[Row], Columns]:
    full, _, split = rest.rpartition(":")
    name, _, revision = full.partition("@")
    if not name:
        raise UserError("no split is named", where=f"hub:{rest}", fix="write hub:ID:SPLIT")
    entry = catalogue.by_id(name)
    if entry is None:
        return hub.rows(name, split, revision=revision or None), Columns()
    return hub.rows(name, split, revision=revision or entry.revision, subset=entry.subset), entry.columns


def _from_entry(entry: catalogue.Entry, split: str) -> tuple[Iterable[Row], Columns]:
    if entry.splits and split not in entry.splits:
        raise UserError(f"no split {split!r}", where=entry.name, fix=f"choose from {', '.join(entry.splits)}")
    return hub.rows(entry.id, split, revision=entry.revision, subset=entry.subset), entry.columns


def _unknown(spec: str, path: Path) -> UserError:
    if path.is_file():
        return UserError(
            "no reader for this kind of file", where=spec, fix="give a .jsonl, .json or .parquet file, or a folder"
        )
    near = nearest(spec, names())
    advice = f"did you mean {near}?" if near else "give a file, a folder, tiny:SPLIT or hub:ID:SPLIT"
    return UserError("no such problem set", where=spec, fix=advice)
