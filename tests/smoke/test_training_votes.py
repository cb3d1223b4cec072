"""Votes and rewards of a whole run: more voters than are trained on, and estimators that ask how sure the model is."""

import json
from pathlib import Path

import pytest

from mmupt.stages.train import train
from tests.training_parts import settings


def rows(folder: Path, name: str) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / name).read_text().splitlines()]


def test_more_rollouts_vote_than_are_trained_on(tmp_path: Path) -> None:
    train(settings(tmp_path / "run", "steps=1", "group_size=3", "vote_samples=9", "update.kl_coefficient=0.1"))
    completions = rows(tmp_path / "run", "rollouts.jsonl")
    assert len(completions) == 4 * 9
    assert [row["advantage"] is None for row in completions] == ([False] * 3 + [True] * 6) * 4
    assert {round(row["share"] * 9, 6) for row in completions} <= set(map(float, range(10)))
    assert rows(tmp_path / "run", "metrics.jsonl")[0]["groups_trained"] == 4


@pytest.mark.parametrize("estimator", ["self_certainty", "negative_entropy", "certainty_vote"])
def test_certainty_comes_from_the_weights_that_sampled(tmp_path: Path, estimator: str) -> None:
    train(settings(tmp_path / "run", "steps=1", f"estimator={estimator}"))
    completions = rows(tmp_path / "run", "rollouts.jsonl")
    by_text: dict[tuple[str, str], set[float]] = {}
    for row in completions:
        by_text.setdefault((row["problem"], row["text"]), set()).add(round(row["reward"], 5))
    assert all(len(rewards) == 1 for rewards in by_text.values())
    assert len({row["reward"] for row in completions}) > 1
    assert rows(tmp_path / "run", "metrics.jsonl")[0]["groups_trained"] > 0
