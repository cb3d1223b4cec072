"""Traps of the engines (docs/traps.md): DeepSpeed compiles for minutes on a CPU, and can see another world than the
run's; a learning rate of 1e-6 rounds away in bfloat16 weights; ranks wait for one that has failed; rollouts come from
behind another prompt."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file

from mmupt.config.merge import MergeConfig
from mmupt.config.train import UpdateConfig
from mmupt.errors import MmuptError, UserError
from mmupt.rundir import RunDir
from mmupt.sampling.pixels import Gallery
from mmupt.sampling.protocol import SamplingParams
from mmupt.stages.merge import merge
from mmupt.stages.ranks import run_ranks
from mmupt.stages.train import train
from mmupt.training import distributed, loop, shared_prefix
from mmupt.training.assembly import assemble
from mmupt.training.distributed import Ranks
from mmupt.training.engine_deepspeed import DeepSpeedEngine
from mmupt.training.engine_plain import PlainEngine
from mmupt.training.groups import BatchShape
from mmupt.training.logs import TrainingLogs
from mmupt.training.sources import Source
from mmupt.training.trainer import Trainer
from mmupt.types import Prompt, Rollout
from tests.forked_ranks import on_ranks
from tests.training_parts import guesser, random_groups, settings, untrained

torch.set_num_threads(1)  # a forked rank would wait for the threads of its parent
SAVED = "model.layers.0.mlp.down_proj.weight"


def moved(before: torch.Tensor, after: torch.Tensor) -> float:
    """The share of numbers that differ."""
    return float((before.float() != after.float()).float().mean())


def test_in_bfloat16_weights_a_step_at_1e_6_is_lost() -> None:
    model, rules = untrained().to(torch.bfloat16), UpdateConfig(learning_rate=1e-6)
    weight = model.model.language_model.layers[0].mlp.down_proj.weight
    before = weight.detach().clone()
    engine = PlainEngine(model, rules)
    engine.backward(-shared_prefix.score(model, random_groups([(1, (5, 5))]), 1.0).logps_N.mean(), last=True)
    engine.step(rules.learning_rate)
    assert moved(before, weight) < 0.05


@pytest.mark.parametrize("deepspeed", ["none", "zero2", "zero3"])
def test_the_float32_weights_move_at_1e_6_and_nothing_is_compiled(tmp_path: Path, deepspeed: str) -> None:
    run = settings(tmp_path / "run", "steps=1", "dtype=bfloat16", "update.learning_rate=1e-6", f"deepspeed={deepspeed}")

    def work(_: int) -> None:
        os.environ["TORCH_EXTENSIONS_DIR"] = str(tmp_path / "compiled")
        train(run)

    assert on_ranks(1, work)
    assert not (tmp_path / "compiled").exists()
    merge(MergeConfig(checkpoint=tmp_path / "run", out=tmp_path / "merged", dtype="float32"))
    before = load_file(guesser() / "model.safetensors")[SAVED]
    if deepspeed != "none":
        before = before.bfloat16().float()  # what DeepSpeed's float32 weights start from
    after = load_file(tmp_path / "merged" / "model.safetensors")[SAVED]
    assert moved(before, after) > 0.9
    assert 1e-7 < float((after - before).abs().max()) < 1e-5


def test_an_engine_that_sees_another_world_stops_the_run() -> None:
    def work(_: int) -> None:
        distributed.start(torch.device("cpu"), deepspeed=True)
        with pytest.raises(AssertionError, match=r"DeepSpeed sees \(rank, world, stage\) = \(0, 1, 2\)"):
            DeepSpeedEngine(untrained(), UpdateConfig(), Ranks(1, 1), 2)

    assert on_ranks(1, work)


def test_a_process_group_that_is_not_the_launchers_stops_the_run() -> None:
    def work(_: int) -> None:
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
        os.environ["WORLD_SIZE"] = "2"
        with pytest.raises(AssertionError, match="the process group differs from the environment"):
            distributed.start(torch.device("cpu"), deepspeed=True)

    assert on_ranks(1, work)


def test_a_rank_that_fails_ends_those_that_wait_for_it(tmp_path: Path) -> None:
    script, waits = tmp_path / "rank.py", tmp_path / "waits"
    lines = (
        "import os, sys, time, pathlib",
        f"waits = pathlib.Path({str(waits)!r})",
        "if os.environ['RANK'] == '0':",
        "    waits.write_text(str(os.getpid()))",
        "    time.sleep(600)",
        "while not waits.exists():",
        "    time.sleep(0.01)",
        "sys.exit('error: the picture is empty')",
    )
    script.write_text("\n".join(lines))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    with pytest.raises(UserError, match="the picture is empty"):
        run_ranks([*launcher, str(script)], os.environ)
    with pytest.raises(ProcessLookupError):
        os.kill(int(waits.read_text()), 0)


@dataclass(frozen=True)
class Altered:
    """A source whose rollouts are told otherwise than they were made."""

    inner: Source
    change: Callable[[Rollout], Rollout]

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, seeds: Sequence[int], gallery: Gallery | None = None
    ) -> list[list[Rollout]]:
        groups = self.inner.sample(prompts, params, seeds, gallery)
        return [[self.change(one) for one in group] for group in groups]

    def close(self) -> None:
        self.inner.close()


def trainers(folder: Path, change: Callable[[Rollout], Rollout]) -> tuple[Trainer, Trainer]:
    """A trainer, and the same one with altered rollouts."""
    right = assemble(settings(folder), BatchShape(4, 6, 1, 1, 6), Ranks(0, 1), torch.device("cpu"))
    return right, replace(right, source=Altered(right.source, change))


def test_rollouts_behind_another_prompt_stop_the_run_with_both_lengths(tmp_path: Path) -> None:
    _, wrong = trainers(tmp_path, lambda one: replace(one, prompt_tokens=one.prompt_tokens + 1))
    with pytest.raises(MmuptError, match=r"the engine's prompt has (\d+) tokens and the trainer's \d+") as told:
        wrong.step(0)
    lengths = [int(number) for number in re.findall(r"(\d+)(?: tokens|;)", str(told.value))]
    assert lengths[0] == lengths[1] + 1


def test_log_probs_that_are_not_the_trainers_are_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    right, wrong = trainers(tmp_path, lambda one: replace(one, logprobs=tuple(each - 0.1 for each in one.logprobs)))
    logs = TrainingLogs(RunDir.open(tmp_path / "run", "train", right.config))
    loop._log(logs, right.step(0), 1, None, None)
    assert "differ" not in "".join(capsys.readouterr())
    loop._log(logs, wrong.step(1), 2, None, None)
    assert "step 2: sampler and trainer differ by 0.100 in mean log-prob" in "".join(capsys.readouterr())
