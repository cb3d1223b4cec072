"""What a run cannot do is said: other numbers of ranks are refused, an unknown model class falls back aloud."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmupt import problems
from mmupt.config.train import TrainConfig, UpdateConfig
from mmupt.errors import UserError
from mmupt.stages.train import train
from mmupt.training import assembly, repeated
from mmupt.training.distributed import Ranks
from mmupt.training.groups import BatchShape
from tests.training_parts import settings, untrained


def test_a_checkpoint_of_another_number_of_ranks_is_refused_in_one_line(tmp_path: Path) -> None:
    run = settings(tmp_path / "run", "steps=1")
    train(run)
    (tmp_path / "run/done.json").unlink()
    file = tmp_path / "run/checkpoints/step-1/state.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"world_size": 2}))
    with pytest.raises(UserError, match=r"was saved by 2 ranks, and this run has 1; start it with 2 ranks") as refused:
        train(run)
    assert "\n" not in str(refused.value)


def test_an_unknown_model_class_runs_without_sharing_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    model = untrained()
    model.config.model_type = "other_vl"
    assert assembly._layout(model, UpdateConfig()) is repeated.score
    assert "was not checked with model class other_vl" in "".join(capsys.readouterr())
    with pytest.raises(UserError, match=r"update\.layout"):
        assembly._layout(model, UpdateConfig(layout="shared_prefix"))


def test_ranks_that_would_wait_for_a_picture_are_refused(tmp_path: Path) -> None:
    found = problems.load("tiny:train").problems[:4]
    mixed = [*found[:3], replace(found[3], images=())]
    two, trained = Ranks(0, 2), TrainConfig(deepspeed="zero2")
    problems.write(tmp_path / "mixed", mixed)
    run = settings(tmp_path / "run", f"data={tmp_path / 'mixed'}", "deepspeed=zero2", "freeze_vision=false")
    with pytest.raises(UserError, match=r"1 problems have no picture and the others have; set freeze_vision"):
        assembly.assemble(run, BatchShape(4, 6, 1, 2, 6), two, torch.device("cpu"))
    for problem_set, config, ranks in (
        (mixed, TrainConfig(deepspeed="zero2", freeze_vision=True), two),
        (mixed, trained, Ranks(0, 1)),
        (found, trained, two),
    ):
        assembly._same_work_on_all(problem_set, config, ranks)
