"""Two real gloo processes vote as one process does, train as one process does, and survive being killed together."""

import json
from pathlib import Path

import pytest

from mmupt.config.train import TrainConfig
from mmupt.stages.train import train
from tests.forked_ranks import on_ranks, survive
from tests.training_parts import settings

SHAPES = [(4, 5, 1), (4, 5, 2), (8, 3, 2), (2, 10, 1)]
"""(problems_per_step, group_size, updates_per_step)."""


def rows(folder: Path, name: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def alike(found: Path, wanted: Path, rel: float) -> bool:
    """Whether two runs logged the same metrics up to rounding."""
    pairs = zip(rows(found, "metrics.jsonl"), rows(wanted, "metrics.jsonl"), strict=True)
    numbers = [(one[name] or 0.0, other[name] or 0.0) for one, other in pairs for name in one.keys() | other.keys()]
    return all(one == pytest.approx(other, rel=rel, abs=1e-5) for one, other in numbers)


def shaped(out: Path, shape: tuple[int, int, int]) -> TrainConfig:
    problems, group, updates = shape
    sets = [f"problems_per_step={problems}", f"group_size={group}", f"updates_per_step={updates}"]
    return settings(out, *sets, "steps=2", "rollout.engine=scripted", "update.micro_batch_size=1", "deepspeed=zero2")


def test_two_ranks_vote_as_one_does_for_every_accepted_shape(tmp_path: Path) -> None:
    def all_shapes(ranks: int) -> None:
        for number, shape in enumerate(SHAPES):
            train(shaped(tmp_path / f"{ranks}-{number}", shape))

    assert on_ranks(1, lambda _: all_shapes(1))
    assert on_ranks(2, lambda _: all_shapes(2))
    for number, (problems, group, _) in enumerate(SHAPES):
        one, two = tmp_path / f"1-{number}", tmp_path / f"2-{number}"
        votes = (one / "rollouts.jsonl").read_bytes()
        assert (two / "rollouts.jsonl").read_bytes() == votes
        assert votes.count(b"\n") == 2 * problems * group
        assert len({row["share"] for row in rows(one, "rollouts.jsonl")}) > 1
        assert alike(two, one, rel=1e-3)


@pytest.mark.parametrize("stage", ["zero1", "zero2", "zero3"])
def test_every_stage_trains_as_plain_torch_does(tmp_path: Path, stage: str) -> None:
    sets = ("steps=2", "updates_per_step=2", "update.kl_coefficient=0.02", "update.loss_type=dapo")
    assert on_ranks(1, lambda _: train(settings(tmp_path / "plain", *sets)))
    for ranks in (1, 2) if stage == "zero2" else (2,):
        run = settings(tmp_path / f"{ranks}", *sets, f"deepspeed={stage}")
        assert on_ranks(ranks, lambda _, run=run: train(run))
        assert alike(tmp_path / f"{ranks}", tmp_path / "plain", rel=2e-3)
        state = json.loads((tmp_path / f"{ranks}/checkpoints/step-2/state.json").read_text())
        assert (state["kind"], state["zero_stage"], state["world_size"]) == ("deepspeed", int(stage[-1]), ranks)


@pytest.mark.parametrize(
    "sets", [("deepspeed=zero2",), ("deepspeed=zero3", "lora.rank=4")], ids=["zero2", "zero3-lora"]
)
def test_two_ranks_killed_together_end_with_the_same_bytes(tmp_path: Path, sets: tuple[str, ...]) -> None:
    run = settings(tmp_path / "run", *sets, "steps=4", "save.every=1", "limit=9")
    undisturbed, disturbed = survive(2, lambda: train(run), tmp_path / "run", kills=2)
    assert disturbed == undisturbed


def test_the_stage_starts_its_ranks_itself(tmp_path: Path) -> None:
    result = train(settings(tmp_path / "run", "steps=1", "ranks=2", "deepspeed=zero3"))
    assert result["checkpoint"] == "checkpoints/step-1"
    shards = sorted(path.name for path in (tmp_path / "run/checkpoints/step-1/deepspeed").glob("*optim_states.pt"))
    assert shards == [f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" for rank in range(2)]
