"""A pipeline's short forms, written out: settings that stages of one use share, stages repeated over seeds.

`[defaults.train]` is put under every stage that uses train. A stage with `seeds = [0, 1, 2]` becomes NAME-0, NAME-1 and
NAME-2, each with its own `seed`; what refers to it must be repeated over the same seeds, and refers to its own.
Pure: tables in, tables out.
"""

import re
from collections.abc import Callable, Mapping, Sequence

from mmupt.errors import UserError

Table = Mapping[str, object]
SEEDS = "seeds"


def expand(stages: Mapping[str, Table], defaults: Mapping[str, Table]) -> dict[str, dict[str, object]]:
    """All stages with nothing left to write out, in order."""
    seeds = {name: _seeds(name, table) for name, table in stages.items()}
    written: dict[str, dict[str, object]] = {}
    for name, table in stages.items():
        shared = defaults.get(str(table.get("use")), {})
        full = merged(shared, {key: value for key, value in table.items() if key != SEEDS})
        for seed in seeds[name]:
            written[name if seed is None else f"{name}-{seed}"] = _for_seed(full, name, seed, seeds)
    return written


def merged(shared: Table, own: Table) -> dict[str, object]:
    """`own` over `shared`, table by table."""
    both = dict(shared)
    for key, value in own.items():
        below = both.get(key)
        both[key] = merged(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return both


def _seeds(name: str, table: Table) -> Sequence[int | None]:
    given = table.get(SEEDS)
    if given is None:
        return [None]
    if not isinstance(given, list) or not given or not all(type(seed) is int for seed in given):
        raise UserError("seeds is no list of whole numbers", where=f"stages.{name}", fix="write seeds = [0, 1, 2]")
    return list(dict.fromkeys(given))


def _for_seed(
    table: Table, name: str, seed: int | None, seeds: Mapping[str, Sequence[int | None]]
) -> dict[str, object]:
    def own(match: re.Match[str]) -> str:
        there = seeds.get(match[1], [None])
        if there == [None]:
            return match[0]
        if seed not in there:
            what = f"refers to ${{{match[1]}}}, which is repeated over the seeds {list(there)}"
            raise UserError(
                what,
                where=f"stages.{name}",
                fix=f"give it seeds = {list(there)}, or name one: ${{{match[1]}-{there[0]}}}",
            )
        return f"${{{match[1]}-{seed}}}"

    written = {key: _replaced(value, own) for key, value in table.items()}
    if seed is not None:
        label = str(table.get("label", name))
        written |= {"label": f"{label}, seed {seed}"}
        if table.get("use") != "merge":
            written |= {"seed": seed}
    return written


def _replaced(value: object, own: Callable[[re.Match[str]], str]) -> object:
    if isinstance(value, str):
        return re.sub(r"\$\{([^}]*)\}", own, value)
    if isinstance(value, dict):
        return {key: _replaced(each, own) for key, each in value.items()}
    return value
