"""Speed of the judge and of the vote, run by hand: `python tests/bench/answers.py`. Prints one JSON line.

Typical responses are worked steps of 600 to 1,500 characters that end in a box; the answers are what MathVista-like
questions get (numbers, units, letters, fractions, surds). Two processes judge them, as two cores would. The same
responses go through plain math-verify, a tenth of them, scaled.
"""

import json
import random
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from mmupt.answers import grade
from mmupt.voting import vote

Item = tuple[str, str, tuple[str, ...]]
RESPONSES = 5_120
CHOICES = ("12 cm", "14 cm", "16 cm", "18 cm")


def main() -> None:
    """Measure everything once."""
    draws = random.Random(7)
    typical = [_item(draws) for _ in range(RESPONSES)]
    hard = [_hard(draws) if at % 20 == 0 else item for at, item in enumerate(typical)]
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        list(pool.map(_judge, [typical[:2], typical[:2]]))
        result = {
            "responses": RESPONSES,
            "typical_s": _timed(pool, typical),
            "with_5_percent_latex_s": _timed(pool, hard),
            "math_verify_s": 10 * _timed(pool, typical[::10], _math_verify),
            "group_of_64_ms": _groups(draws),
        }
    sys.stdout.write(json.dumps(result) + "\n")


def _timed(pool: ProcessPoolExecutor, items: list[Item], judge: object = None) -> float:
    start = time.perf_counter()
    list(pool.map(judge or _judge, [items[::2], items[1::2]]))
    return round(time.perf_counter() - start, 3)


def _judge(items: list[Item]) -> int:
    return sum(grade(response, gold, choices=choices).correct for response, gold, choices in items)


def _math_verify(items: list[Item]) -> int:
    from math_verify import parse, verify

    return sum(verify(parse(f"${gold}$"), parse(response)) for response, gold, _ in items)


def _groups(draws: random.Random) -> float:
    groups = [[_answer(draws) for _ in range(64)] for _ in range(200)]
    start = time.perf_counter()
    for group in groups:
        vote(group)
    return round(1000 * (time.perf_counter() - start) / len(groups), 3)


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
