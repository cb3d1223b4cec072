"""The lessons of the small model: pictures of the training split, and what is asked and answered about them."""

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mmupt import prompts
from mmupt.tiny import scenes, teacher
from mmupt.tiny.questions import Task, ask, describe, families

DESCRIBE = "Describe the picture."
MULTIPLE_CHOICE = 0.35
"""Share of the tasks that are asked with choices."""


@dataclass(frozen=True)
class Lesson:
    """One prompt and completion about the picture with this number in the pool."""

    picture: int
    prompt: str
    completion: str


@dataclass(frozen=True)
class Curriculum:
    """Shares of the kinds of lessons, and the quality of the answers."""

    describe: float
    write: float
    hard: float
    mixture: teacher.Mixture


def split_of(scene: scenes.Scene) -> str:
    """The split that owns a scene's content: about 70 % train, 10 % dev, 20 % test."""
    bucket = int.from_bytes(hashlib.sha256(scene.content.encode()).digest()[:4], "big") % 10
    return "test" if bucket < 2 else "dev" if bucket < 3 else "train"


def sample_scene(kind: str, split: str, rng: random.Random) -> scenes.Scene:
    """A scene of this kind whose content belongs to `split`."""
    while True:
        scene = scenes.MAKERS[kind](rng)
        if split_of(scene) == split:
            return scene


def sample_task(scene: scenes.Scene, level: str, rng: random.Random) -> Task:
    return ask(scene, rng.choice(families(scene, level)), rng, multiple_choice=rng.random() < MULTIPLE_CHOICE)


def question_of(task: Task) -> str:
    return prompts.question_text(task.question, task.choices)


def written_question(scene: scenes.Scene, rng: random.Random) -> tuple[str, str]:
    """A prompt that asks for a question, and a question that answers it."""
    task = sample_task(scene, "easy", rng)
    if rng.random() < 0.5:
        return prompts.DIRECT, question_of(task)
    example = sample_task(scene, "easy", rng)
    while example.question == task.question:
        example = sample_task(scene, "easy", rng)
    answer = example.answer if rng.random() < 0.5 else None
    return prompts.in_context_text(question_of(example), answer), question_of(task)


def lesson(picture: int, scene: scenes.Scene, plan: Curriculum, rng: random.Random) -> Lesson:
    """One lesson about a scene, of a kind drawn from the curriculum."""
    kind = rng.random()
    if kind < plan.describe:
        return Lesson(picture, DESCRIBE, describe(scene))
    if kind < plan.describe + plan.write:
        return Lesson(picture, *written_question(scene, rng))
    hard = rng.random() < plan.hard and bool(families(scene, "hard"))
    task = sample_task(scene, "hard" if hard else "easy", rng)
    prompt = f"{question_of(task)} {prompts.ANSWER_FORMAT}"
    return Lesson(picture, prompt, teacher.answer(task, rng, plan.mixture))


class Pool:
    """Pictures of the training split, drawn once: `scenes[i]` and `pixels[i]` (uint8, 3 x 112 x 112)."""

    def __init__(self, size: int, seed: int) -> None:
        rng = random.Random(f"pool {seed}")
        kinds = list(scenes.MAKERS)
        self.scenes = [sample_scene(kinds[i % len(kinds)], "train", rng) for i in range(size)]
        self.pixels = np.stack([np.asarray(scenes.draw(scene, rng)).transpose(2, 0, 1) for scene in self.scenes])

    def lessons(self, plan: Curriculum, pictures: int, each: int, rng: random.Random) -> Iterator[list[Lesson]]:
        """Endless batches of `each` lessons about each of `pictures` pictures."""
        while True:
            chosen = rng.sample(range(len(self.scenes)), pictures)
            yield [lesson(i, self.scenes[i], plan, rng) for i in chosen for _ in range(each)]
