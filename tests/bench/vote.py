"""The judge and the vote against plain math-verify 0.9.0: `python -m tests.bench.vote [--out FOLDER]`.

Typical responses are worked steps of 600 to 1,500 characters that end in a box; the answers are what MathVista-like
questions get (numbers, units, letters, fractions, surds). math-verify judges by `verify(parse(gold), parse(response))`,
and votes by parsing every response of a group and asking for each whether it equals the first member of a class. Each
has one process and the same responses, in turns, new ones each time (what was read once is remembered); the best of
several times counts.
"""

import argparse
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from math_verify import parse, verify

from mmupt.answers import extract, grade
from mmupt.voting import vote
from tests.bench.table import Row, write_table

Item = tuple[str, str, tuple[str, ...]]
Group = Sequence[str]
Drawn = TypeVar("Drawn")
RESPONSES, REPEATS = 512, 3
GROUPS = {10: 50, 64: 8}
"""Size of a group -> how many of them vote: about as many responses as are judged."""
CHOICES = ("12 cm", "14 cm", "16 cm", "18 cm")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--out", type=Path, default=Path("runs/bench"))
    chosen = asked.parse_args()
    rows = [
        _row(f"judge {RESPONSES} typical responses", _items, _judge, _math_verify),
        _row("the same, 5 % with hard LaTeX", _items_some_hard, _judge, _math_verify),
    ]
    for size, count in GROUPS.items():
        drawn = partial(_groups, size=size, count=count)
        rows.append(_row(f"vote of {count} groups of {size}", drawn, _vote, _math_verify_vote))
    write_table(chosen.out / "vote", "judge and vote, one process", rows)


def _row(work: str, drawn: Callable[[random.Random], Drawn], *judges: Callable[[Drawn], object]) -> Row:
    best = [float("inf")] * len(judges)
    for repeat in range(REPEATS + 1):
        fresh = drawn(random.Random(repeat))
        for at, judge in enumerate(judges):
            began = time.perf_counter()
            judge(fresh)
            if repeat:  # the first one warms up
                best[at] = min(best[at], time.perf_counter() - began)
    ours, peer = best
    return {"work": work, "mmupt s": ours, "math-verify s": peer, "times faster": peer / ours}


def _items(draws: random.Random) -> list[Item]:
    return [_item(draws) for _ in range(RESPONSES)]


def _items_some_hard(draws: random.Random) -> list[Item]:
    return [_hard(draws) if at % 20 == 0 else _item(draws) for at in range(RESPONSES)]


def _groups(draws: random.Random, *, size: int, count: int) -> list[Group]:
    return [_group(draws, size) for _ in range(count)]


def _judge(items: Sequence[Item]) -> int:
    return sum(grade(response, gold, choices=choices).correct for response, gold, choices in items)


def _math_verify(items: Sequence[Item]) -> int:
    return sum(verify(parse(f"${gold}$"), parse(response)) for response, gold, _ in items)


def _vote(groups: Sequence[Group]) -> list[int]:
    return [max(vote([extract(response) for response in group]).counts, default=0) for group in groups]


def _math_verify_vote(groups: Sequence[Group]) -> list[int]:
    return [_largest_class(group) for group in groups]


def _largest_class(group: Group) -> int:
    classes: list[list[object]] = []
    counts: list[int] = []
    for response in group:
        answer = parse(response)
        at = next((n for n, member in enumerate(classes) if verify(member, answer)), len(classes))
        if at == len(classes):
            classes.append(answer)
            counts.append(0)
        counts[at] += 1
    return max(counts, default=0)


def _group(draws: random.Random, size: int) -> Group:
    """Three in five agree; the others scatter."""
    agreed = _answer(draws)
    said = [agreed if draws.random() < 0.6 else _answer(draws) for _ in range(size)]
    return [f"So the answer is $\\boxed{{{answer}}}$." for answer in said]


def _item(draws: random.Random) -> Item:
    gold = _answer(draws)
    said = gold if draws.random() < 0.6 else _answer(draws)
    steps = [
        f"Step {n}: the side is ${draws.randint(2, 99)}$, so $x_{n} = \\frac{{{n}}}{{{n + 1}}}$ and {{it}} holds."
        for n in range(draws.randint(8, 20))
    ]
    response = "\n".join(steps) + f"\nTherefore the answer is $\\boxed{{{said}}}$."
    if draws.random() < 0.4:
        return response.replace(said, draws.choice("ABCD")), draws.choice("ABCD"), CHOICES
    return response, gold, ()


def _answer(draws: random.Random) -> str:
    a, b, c = draws.randint(1, 400), draws.randint(2, 90), draws.randint(2, 30)
    forms = [
        f"{a}",
        f"{a}.{b}",
        f"\\frac{{{a}}}{{{b}}}",
        f"{a}^\\circ",
        f"{a} \\text{{ cm}}",
        f"{a}\\sqrt{{{c}}}",
        f"{a}\\pi",
        f"x = {a}",
        f"({a}, {b})",
        f"{a}\\%",
        f"{a}:{b}",
        f"{b}x + {c}",
    ]
    return draws.choice(forms[:5] if draws.random() < 0.7 else forms)


def _hard(draws: random.Random) -> Item:
    """LaTeX that only math-verify reads, distinct each time."""
    a, b, c = draws.randint(1, 10**6), draws.randint(2, 10**6), draws.randint(2, 10**6)
    said = draws.choice(
        [
            f"\\begin{{pmatrix}}{a}&{b}\\\\{c}&1\\end{{pmatrix}}",
            f"\\int_0^{{{a}}} {b}x dx",
            f"\\sum_{{n=1}}^{{{c % 9 + 2}}} {a}n",
            f"\\vec{{a}} + {b}\\vec{{c}}",
        ]
    )
    return f"We compute it. \\boxed{{{said}}}", said, ()


if __name__ == "__main__":
    main()
