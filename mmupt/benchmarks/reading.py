"""Where a benchmark's rows come from: its data set on the hub, or a local file or folder of the same schema.

A folder is searched for the split by its file name, as hub snapshots and the authors' repositories lay it out:
`testmini.parquet`, `testmini.jsonl`, `testmini.json`, `testmini-00000-of-00001.parquet`, in the folder or its `data`.
"""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

from mmupt import problems
from mmupt.benchmarks.contract import Source
from mmupt.errors import UserError
from mmupt.problems import ProblemSet, hub
from mmupt.problems.rows import Row, build

Mend = Callable[[Row], Row]


def load(source: Source, split: str, data: str | None, mend: Mend, *, pictures: bool) -> ProblemSet:
    """The problems of a split (as the data set names it), each row put right by `mend` first."""
    if data is None:
        found = hub.rows(source.id, split, revision=source.revision, subset=source.subset)
    else:
        found = chain.from_iterable(problems.read_file(file) for file in _files(Path(data).expanduser(), split))
    return build(
        (mend(row) for row in found),
        source=data or source.id,
        columns=source.columns,
        answers=True,
        pictures=pictures,
    )


def _files(path: Path, split: str) -> Iterator[Path]:
    if not path.is_dir():
        return iter([path])
    for folder in (path, path / "data"):
        for pattern in (f"{split}.parquet", f"{split}-*.parquet", f"{split}.jsonl", f"{split}.json", "problems.jsonl"):
            if found := sorted(folder.glob(pattern)):
                return iter(found)
    fix = f"name the file itself, or call it {split}.parquet, {split}.jsonl or {split}.json"
    raise UserError(f"no file of the split {split!r} in this folder", where=str(path), fix=fix)
