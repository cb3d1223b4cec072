"""Run folders -> what they hold, as far as a report shows it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from mmupt.config import canonical
from mmupt.errors import UserError
from mmupt.rundir import JsonlLog
from mmupt.types import JsonValue

Row = Mapping[str, JsonValue]


@dataclass(frozen=True)
class Run:
    """What all kinds of runs have in common."""

    folder: Path
    label: str
    stage: str
    """synthesize, train or evaluate."""
    config: Mapping[str, JsonValue]
    commit: str | None

    @property
    def digest(self) -> str:
        """SHA-256 of the resolved settings."""
        return sha256(canonical(dict(self.config))).hexdigest()


@dataclass(frozen=True)
class Scored:
    """One benchmark of an evaluation."""

    run: Run
    folder: Path
    label: str
    base: bool
    """Whether this is the model before training, which the others are compared with."""
    results: Mapping[str, JsonValue]
    questions: Sequence[Row]
    samples_of: Mapping[str, Sequence[Row]]
    """Problem id -> its graded responses, by index."""

    @property
    def temperature(self) -> float | None:
        """None where it is not known how the responses were sampled."""
        value = mapping(self.results["protocol"]).get("temperature")
        return None if value is None else number(value)

    @property
    def heat(self) -> str:
        """The temperature as it is shown."""
        return "T unknown" if self.temperature is None else f"T = {self.temperature:g}"

    def comparable(self, other: "Scored") -> bool:
        """The same questions at the same temperature."""
        same_questions = self.results["benchmark"] == other.results["benchmark"] and self._data == other._data
        return same_questions and self.temperature == other.temperature

    @property
    def _data(self) -> JsonValue:
        return mapping(self.results["provenance"]).get("data_sha256")

    def score_names(self, name: str) -> list[str]:
        """The scores of that name; one that ends in "@" stands for every k."""
        return [
            key for key in mapping(self.results["scores"]) if key == name or (name[-1] == "@" and key.startswith(name))
        ]

    def scores_at(self, name: str) -> list[float]:
        """Their values."""
        return [number(mapping(self.results["scores"])[key]) for key in self.score_names(name)]

    def correct(self, id: str) -> list[bool]:
        """Verdicts on the responses to one problem."""
        return [row["verdict"] == "correct" for row in self.samples_of[id]]

    def share(self, id: str) -> float:
        """Share of right responses to one problem."""
        return sum(self.correct(id)) / len(self.samples_of[id])


def open_run(folder: Path, label: str, *, finished: bool = True) -> Run:
    """A run, finished unless the stage that is about to finish it asks; anything else is a UserError."""
    if not (folder / "config.json").is_file():
        raise UserError(
            "holds no run of mmupt", where=str(folder), fix="name a run folder, or the folder of a pipeline"
        )
    if finished and not (folder / "done.json").is_file():
        raise UserError("this run is not finished", where=str(folder), fix="start its command again first")
    told = json.loads((folder / "config.json").read_bytes())
    environment = folder / "environment.json"
    commit = json.loads(environment.read_bytes()).get("commit") if environment.is_file() else None
    return Run(folder, label, told["stage"], told["config"], commit)


def scored(run: Run, base: bool) -> list[Scored]:
    """The benchmarks of an evaluation: in its folder, or in one folder each."""
    folders = [path.parent for path in sorted(run.folder.rglob("results.json"))]
    several = len(folders) > 1
    return [_scored(run, folder, f"{run.label}, {folder.name}" if several else run.label, base) for folder in folders]


def rows(run: Run, name: str) -> list[dict[str, JsonValue]]:
    """The rows of one of a run's logs."""
    return JsonlLog(run.folder / name).read()


def mapping(value: JsonValue) -> Mapping[str, JsonValue]:
    """A JSON object that must be one."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r} is no object")
    return value


def number(value: JsonValue) -> float:
    """A JSON number that must be one."""
    if not isinstance(value, int | float):
        raise TypeError(f"{value!r} is no number")
    return float(value)


def numbers(value: JsonValue) -> list[float]:
    """A list of JSON numbers."""
    return [number(each) for each in value] if isinstance(value, list) else []


def _scored(run: Run, folder: Path, label: str, base: bool) -> Scored:
    samples_of: dict[str, list[Row]] = {}
    for row in JsonlLog(folder / "samples.jsonl").read():
        samples_of.setdefault(str(row["id"]), []).append(row)
    results = json.loads((folder / "results.json").read_bytes())
    return Scored(run, folder, label, base, results, JsonlLog(folder / "questions.jsonl").read(), samples_of)
