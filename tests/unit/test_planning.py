"""What a dry run of a training tells: numbers that were worked out by hand, and the commands."""

import json
from pathlib import Path

import pytest

from mmupt import config, launch, shipped
from mmupt.config.run import RunConfig
from mmupt.config.train import TrainConfig
from mmupt.environment import gpus
from mmupt.environment.gpus import visible
from mmupt.errors import UserError
from mmupt.problems import load
from mmupt.problems.counting import count
from mmupt.stages.planning import TrainingPlan, described, plan_training, show_training
from mmupt.stages.run import run
from mmupt.stages.train import ranks_here
from mmupt.training.storage import checkpoints_kept
from tests.house.command import mmupt

PAPER = shipped.pipelines()["qwen2_5_vl_7b-mmr1"]


def planned(*sets: str, words: tuple[str, ...] = ("train", "recipe.toml")) -> TrainingPlan:
    """MM-UPT's protocol, on eight GPUs unless the sets say otherwise."""
    given = {"model": "Qwen/Qwen2.5-VL-7B-Instruct", "ranks": 8, "device": "cuda", "deepspeed": "zero3"}
    return plan_training(config.parse(TrainConfig, {**given, "data": "mmr1:train"}, sets), words)


def test_a_step_of_the_paper_by_hand():
    step = planned().step
    assert (step.rollouts, step.updates, step.completions_per_update) == (5120, 4, 1280)
    assert (step.micro_batches, step.groups_per_rank, step.prompts_per_rank) == (320, 16, 64)
    assert step.tokens == 512 * (2048 + 10 * 2048) == 11_534_336
    assert step.tokens_unshared == 5120 * 4096


def test_more_votes_than_are_trained_on_are_more_rollouts():
    step = planned("vote_samples=64", "group_size=32").step
    assert (step.rollouts, step.completions_per_update) == (512 * 64, 128 * 32)


def test_steps_come_from_the_problems_where_they_are_known():
    assert (planned().run.steps_per_epoch, planned().run.steps) == (11, 165)  # 5,782 // 512, 15 times
    assert planned("steps=80").run.steps == 80
    assert planned("data=hub:someone/something:train").run.steps is None
    with pytest.raises(UserError, match="300 problems are fewer than one step needs"):
        planned("limit=300")


def test_rows_are_counted_without_reading_them(tmp_path: Path):
    (tmp_path / "mine.jsonl").write_text('{"question": "a"}\n\n{"question": "b"}\n')
    assert count(str(tmp_path / "mine.jsonl")) == 2
    assert count("tiny:train") == len(load("tiny:train").problems)
    assert (count("geometry3k:train"), count("hub:hiyouga/geometry3k@main:test"), count("nowhere")) == (2101, 601, None)


def test_checkpoints_on_disk_by_hand():
    plan = planned()
    weights = 8_292_166_656
    assert plan.memory is not None and plan.memory.checkpoint == 12 * weights
    assert checkpoints_kept(plan.config, plan.run) == 3  # the newest two, and the one being written
    assert checkpoints_kept(planned("save.total_limit=1").config, plan.run) == 3  # the last good one stays too
    assert checkpoints_kept(planned("save.total_limit=null").config, plan.run) == 33  # 165 steps, every fifth
    assert checkpoints_kept(planned("save.total_limit=null").config, planned("data=hub:a/b:c").run) is None
    zero2 = planned("deepspeed=zero2").memory
    assert zero2 is not None and zero2.checkpoint == 14 * weights


def test_the_commands_for_one_machine_and_for_several():
    told = dict(planned().commands)
    assert told["one machine"] == "mmupt train recipe.toml"
    start = "python -m torch.distributed.run --nproc-per-node=8"
    assert told["the same"] == f"{start} --standalone -m mmupt train recipe.toml"
    several = f"{start} --nnodes=2 --node-rank=0 --master-addr=HOST --master-port=29500 -m mmupt train recipe.toml"
    assert told["machine 0 of 2"] == several
    assert dict(planned("ranks=1").commands) == {"one machine": "mmupt train recipe.toml"}
    second = launch.World(8, 2, 1, "HOST")
    assert launch.shown(launch.command(("train", "recipe.toml"), second)) == several.replace("rank=0", "rank=1")


def test_what_does_not_fit_is_told(capsys: pytest.CaptureFixture[str]):
    show_training(planned("deepspeed=zero2", "ranks=1"))
    assert "does not fit 80 GB" in capsys.readouterr().out
    show_training(planned(), aside=True)
    shown = capsys.readouterr()
    assert shown.out == "" and "5,120 (512 problems x 10)" in shown.err


def test_a_model_of_another_class_is_planned_without_its_memory(capsys: pytest.CaptureFixture[str]):
    plan = planned("model=someone/other-model")
    show_training(plan)
    assert plan.memory is None and "memory" not in capsys.readouterr().out and "steps" in described(plan)


def test_a_model_folder_that_is_not_there_is_refused():
    with pytest.raises(UserError, match=r"model \./nowhere: no such model"):
        planned("model=./nowhere")


def test_train_shows_the_settings_on_stdout_and_the_plan_beside_them(tmp_path: Path):
    asked = ("--data", "tiny:train", "--deepspeed", "zero3", "--set", "ranks=2", "--set", "problems_per_step=8")
    done = mmupt("train", *asked, "--dry-run", cwd=tmp_path)
    assert json.loads(done.stdout)["problems_per_step"] == 8
    assert "150 an epoch, 1,200 problems" in done.stderr and "1,673,792 weights, all trained" in done.stderr
    words = """--set 'data="tiny:train"' --set 'deepspeed="zero3"' --set ranks=2 --set problems_per_step=8"""
    assert f"-m torch.distributed.run --nproc-per-node=2 --standalone -m mmupt train {words}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_too_few_problems_for_a_step_are_told_with_their_stage(tmp_path: Path):
    learn = {"use": "train", "data": "tiny:train", "problems_per_step": 2048}
    with pytest.raises(UserError, match=r"stages\.learn: .*1200 problems are fewer than one step needs"):
        run(RunConfig(name="x", out=str(tmp_path / "x"), stages={"learn": learn}), dry_run=True)


def test_a_pipeline_tells_of_its_trainings(tmp_path: Path):
    told = run(config.load(RunConfig, PAPER, [f"out={tmp_path}/run"]), dry_run=True)
    assert told["trainings"] == {"vote": json.loads(json.dumps(described(planned_of(tmp_path))))}
    assert list(tmp_path.iterdir()) == []


def planned_of(folder: Path) -> TrainingPlan:
    from mmupt.stages.pipeline import plan

    stages = {stage.name: stage for stage in plan(config.load(RunConfig, PAPER, [f"out={folder}/run"]))}
    found = stages["vote"].config
    assert isinstance(found, TrainConfig)
    return plan_training(found, ["train"])


@pytest.mark.parametrize(
    ("chosen", "installed", "seen"),
    [(None, 4, 4), ("0,1", 8, 2), ("", 8, 0), ("-1", 8, 0), ("0,9,1", 8, 1), ("GPU-1a,GPU-2b", 8, 2), ("0", 0, 0)],
)
def test_gpus_are_counted_as_cuda_counts_them(chosen: str | None, installed: int, seen: int):
    assert visible(chosen, installed) == seen


def test_without_a_number_there_is_a_rank_for_each_gpu():
    parsed = {
        sets: config.parse(TrainConfig, {}, sets) for sets in [(), ("deepspeed=none",), ("device=cpu",), ("ranks=3",)]
    }
    assert ranks_here(parsed[()]) == max(1, gpus.visible_gpus())
    assert [ranks_here(parsed[sets]) for sets in [("deepspeed=none",), ("device=cpu",), ("ranks=3",)]] == [1, 1, 3]
