"""What a run cannot do is said: what would hang is refused, an unknown model class falls back aloud."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmupt import problems
from mmupt.config.train import TrainConfig, UpdateConfig
from mmupt.errors import UserError
from mmupt.training import assembly, repeated
from mmupt.training.distributed import Ranks
from mmupt.training.groups import BatchShape
from tests.training_parts import settings, untrained


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
