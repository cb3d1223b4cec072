"""The questions of the small world: families of wordings, each with a computed gold answer and its worked steps.

A family knows one kind of scene. `ask` picks content and wording with the given generator; the gold answer is
computed from the scene's facts, never guessed. The families of level "hard" are the ones that the base model is taught
badly on purpose (see `teacher`): there the vote is wrong.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from mmupt.tiny.scenes import BARS, SHAPES, Bars, Cards, Rectangles, Scene, Shapes


@dataclass(frozen=True)
class Task:
    """One question about one scene, with what a careful solver would write on the way to its answer."""

    family: str
    skill: str
    level: str
    question: str
    answer: str
    reading: str
    """All that the picture shows, such as "P5 Q2 R3 S9"."""
    working: str
    """What is needed of the reading, and the computation: "P5 R3 5+3=8"."""
    choices: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """What the working ends in: the answer, or the text of the right choice."""
        return self.choices["ABCD".index(self.answer)] if self.choices else self.answer


@dataclass(frozen=True)
class Worked:
    """The content of a task before it is worded: what fills the wording, and how the answer comes about."""

    slots: dict[str, str]
    answer: str
    working: str


@dataclass(frozen=True)
class Family:
    """One kind of question about one kind of scene."""

    name: str
    skill: str
    scene: type
    wordings: tuple[str, ...]
    work: Callable[..., Worked]
    level: str = "easy"
    options: str = "numbers"
    """What the choices of a multiple-choice form are: "numbers" near the answer, or the "names" in the picture."""


def pair(scene: Bars | Cards, rng: random.Random) -> tuple[str, int, str, int]:
    """Two different named numbers of a scene, in random order."""
    (a, x), (b, y) = rng.sample(list(scene.facts.items()), 2)
    return a, x, b, y


def describe(scene: Scene) -> str:
    """All that a scene shows, in the order in which it is drawn: "P5 Q2 R3 S9", "red5x2 blue3x9".

    A value follows its name directly, so that looking one up in the text is the simplest kind of copying.
    """
    shown = {name: "x".join(map(str, v)) if isinstance(v, tuple) else v for name, v in scene.facts.items()}
    return " ".join(f"{name}{value}" for name, value in shown.items())


def value(scene: Bars, rng: random.Random) -> Worked:
    name = rng.choice(BARS)
    return Worked({"a": name}, str(scene.facts[name]), f"{name}{scene.facts[name]}")


def total(scene: Bars | Cards, rng: random.Random) -> Worked:
    a, x, b, y = pair(scene, rng)
    return Worked({"a": a, "b": b}, str(x + y), f"{a}{x} {b}{y} {x}+{y}={x + y}")


def difference(scene: Bars | Cards, rng: random.Random) -> Worked:
    a, x, b, y = pair(scene, rng)
    if x < y:
        a, x, b, y = b, y, a, x
    return Worked({"a": a, "b": b}, str(x - y), f"{a}{x} {b}{y} {x}-{y}={x - y}")


def sum_of_all(scene: Cards, rng: random.Random) -> Worked:
    x, y, z = scene.numbers
    return Worked({}, str(x + y + z), f"{x}+{y}={x + y} {x + y}+{z}={x + y + z}")


def largest(scene: Bars | Cards, rng: random.Random) -> Worked:
    name = max(scene.facts, key=scene.facts.__getitem__)
    return Worked({}, name, f"max {name}{scene.facts[name]}")


def smallest(scene: Bars | Cards, rng: random.Random) -> Worked:
    name = min(scene.facts, key=scene.facts.__getitem__)
    return Worked({}, name, f"min {name}{scene.facts[name]}")


def perimeter(scene: Rectangles, rng: random.Random) -> Worked:
    name = rng.choice(scene.colours)
    w, h = scene.facts[name]
    return Worked({"a": name}, str(2 * (w + h)), f"{name}{w}x{h} {w}+{h}={w + h} 2*{w + h}={2 * (w + h)}")


def area(scene: Rectangles, rng: random.Random) -> Worked:
    name = rng.choice(scene.colours)
    w, h = scene.facts[name]
    return Worked({"a": name}, str(w * h), f"{name}{w}x{h} {w}*{h}={w * h}")


def count(scene: Shapes, rng: random.Random) -> Worked:
    shape = rng.choice(SHAPES)
    return Worked({"a": shape}, str(scene.facts[shape]), f"{shape}{scene.facts[shape]}")


def multiply_add(scene: Bars | Cards, rng: random.Random) -> Worked:
    (a, x), (b, y), (c, z) = rng.sample(list(scene.facts.items()), 3)
    working = f"{a}{x} {b}{y} {c}{z} {x}*{y}={x * y} {x * y}+{z}={x * y + z}"
    return Worked({"a": a, "b": b, "c": c}, str(x * y + z), working)


FAMILIES = {
    family.name: family
    for family in (
        Family("bar-value", "chart", Bars, (
            "How tall is bar {a}?", "What is the height of bar {a}?", "Read the value of bar {a}."), value),
        Family("bar-total", "chart", Bars, (
            "How tall are bars {a} and {b} together?", "What is the total of bars {a} and {b}?",
            "Add the heights of bars {a} and {b}."), total),
        Family("bar-difference", "chart", Bars, (
            "How much taller is bar {a} than bar {b}?", "By how much does bar {a} exceed bar {b}?",
            "What is the difference between bars {a} and {b}?"), difference),
        Family("bar-tallest", "comparison", Bars, (
            "Which bar is the tallest?", "Name the highest bar.", "Which bar has the greatest value?"),
            largest, options="names"),
        Family("bar-shortest", "comparison", Bars, (
            "Which bar is the shortest?", "Name the lowest bar.", "Which bar has the least value?"),
            smallest, options="names"),
        Family("card-total", "arithmetic", Cards, (
            "What is the sum of the {a} and the {b} number?", "Add the {a} number and the {b} number.",
            "How much are the {a} and {b} numbers together?"), total),
        Family("card-difference", "arithmetic", Cards, (
            "How much larger is the {a} number than the {b} number?", "Take the {b} number from the {a} number.",
            "What is the {a} number minus the {b} number?"), difference),
        Family("card-sum", "arithmetic", Cards, (
            "What is the sum of all numbers shown?", "Add up all the numbers in the picture.",
            "How much are the three numbers together?"), sum_of_all),
        Family("card-largest", "comparison", Cards, (
            "Which colour has the largest number?", "What colour is the greatest number?",
            "Name the colour of the biggest number."), largest, options="names"),
        Family("perimeter", "geometry", Rectangles, (
            "What is the perimeter of the {a} rectangle?", "How long is the way around the {a} rectangle?",
            "Find the perimeter of the {a} figure."), perimeter),
        Family("area", "geometry", Rectangles, (
            "What is the area of the {a} rectangle?", "How many unit squares fill the {a} rectangle?",
            "Find the area of the {a} figure."), area),
        Family("count", "counting", Shapes, (
            "How many {a}s are there?", "Count the {a}s.", "What is the number of {a}s in the picture?"), count),
        Family("bar-product", "chart", Bars, (
            "Multiply bars {a} and {b}, then add bar {c}.", "What is bar {a} times bar {b} plus bar {c}?",
            "Find the product of bars {a} and {b}, increased by bar {c}."), multiply_add, "hard"),
        Family("card-product", "arithmetic", Cards, (
            "Multiply the {a} and the {b} number, then add the {c} one.", "What is {a} times {b} plus {c}?",
            "Find the product of {a} and {b}, increased by {c}."), multiply_add, "hard"),
    )
}  # fmt: skip


def families(scene: Scene, level: str) -> list[Family]:
    """The families of this level that can be asked about a scene."""
    return [family for family in FAMILIES.values() if isinstance(scene, family.scene) and family.level == level]


def number_choices(answer: int, rng: random.Random) -> list[str]:
    """Three wrong numbers near the answer, none negative."""
    near = [n for n in range(max(0, answer - 6), answer + 7) if n != answer]
    return [str(n) for n in rng.sample(near, 3)]


def ask(scene: Scene, family: Family, rng: random.Random, *, multiple_choice: bool) -> Task:
    """Word one question of `family` about `scene`; the answer of a multiple-choice task is a letter."""
    worked = family.work(scene, rng)
    question = rng.choice(family.wordings).format(**worked.slots)
    fields = (family.name, family.skill, family.level, question)
    if not multiple_choice:
        return Task(*fields, worked.answer, describe(scene), worked.working)
    names = [name for name in scene.facts if name != worked.answer]
    wrong = names if family.options == "names" else number_choices(int(worked.answer), rng)
    choices = rng.sample([*wrong, worked.answer], len(wrong) + 1)
    letter = "ABCD"[choices.index(worked.answer)]
    return Task(*fields, letter, describe(scene), worked.working, tuple(choices))
