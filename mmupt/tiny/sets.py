"""The problem sets of the small world, as parquet files in the form that the generic reader takes.

Pictures carry two questions each. No content of a scene stands in two sets, and the contents of dev and test are never
among the pictures that the base model was taught with.
"""

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import datasets

from mmupt.tiny import scenes
from mmupt.tiny.corpus import sample_scene, sample_task
from mmupt.tiny.questions import Task, families


@dataclass(frozen=True)
class SetSpec:
    """One set: its file name, the split that owns its pictures, the level of its questions, and how many there are."""

    name: str
    split: str
    level: str
    questions: int


SETS = (
    SetSpec("train", "train", "easy", 1200),
    SetSpec("dev", "dev", "easy", 600),
    SetSpec("test", "test", "easy", 1200),
    SetSpec("hard_train", "train", "hard", 400),
    SetSpec("hard_dev", "dev", "hard", 200),
    SetSpec("hard_test", "test", "hard", 400),
)
FEATURES = datasets.Features(
    {name: datasets.Value("string") for name in ("id", "question", "answer", "answer_type", "skill", "level", "family")}
    | {"choices": datasets.List(datasets.Value("string")), "images": datasets.List(datasets.Image())}
)


def png(scene: scenes.Scene, rng: random.Random) -> bytes:
    encoded = io.BytesIO()
    scenes.draw(scene, rng).save(encoded, "PNG", optimize=True)
    return encoded.getvalue()


def row(id: str, task: Task, image: bytes) -> dict[str, object]:
    """One problem in the columns of the file; a multiple-choice gold is the letter."""
    numeric = task.answer.isdigit()
    return {
        "id": id, "question": task.question, "answer": task.answer, "answer_type": "integer" if numeric else "text",
        "skill": task.skill, "level": task.level, "family": task.family, "choices": list(task.choices),
        "images": [{"bytes": image, "path": None}],
    }  # fmt: skip


def problems(spec: SetSpec, taken: set[str], rng: random.Random) -> Iterator[dict[str, object]]:
    """The rows of one set; contents used are added to `taken`."""
    kinds = [kind for kind, make in scenes.MAKERS.items() if families(make(random.Random(0)), spec.level)]
    for number in range(0, spec.questions, 2):
        kind = kinds[number // 2 % len(kinds)]
        scene = sample_scene(kind, spec.split, rng)
        while scene.content in taken:
            scene = sample_scene(kind, spec.split, rng)
        taken.add(scene.content)
        image = png(scene, rng)
        asked: list[Task] = []
        while len(asked) < 2:
            task = sample_task(scene, spec.level, rng)
            if not asked or task.question != asked[0].question:
                asked.append(task)
        for offset, task in enumerate(asked):
            yield row(f"{spec.name}-{number + offset:04}", task, image)


def write_sets(folder: Path, seed: int) -> None:
    """Write one parquet file for each set."""
    taken: set[str] = set()
    for spec in SETS:
        rows = list(problems(spec, taken, random.Random(f"{spec.name} {seed}")))
        datasets.Dataset.from_list(rows, features=FEATURES).to_parquet(folder / f"{spec.name}.parquet")
