"""Traps of training with pictures (docs/traps.md): a resume that restores nothing, a loss that takes the sampler's
numbers, pictures that travel with the records."""

import math
import os
import pickle
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from mmupt import problems, sampling
from mmupt.config.train import LoraConfig, TrainConfig, UpdateConfig
from mmupt.errors import UserError
from mmupt.problems.tiny import model_dir
from mmupt.sampling import loading
from mmupt.sampling.pixels import Gallery
from mmupt.sampling.protocol import SamplingParams
from mmupt.training import shared_prefix
from mmupt.training.assembly import prepare_device
from mmupt.training.distributed import Ranks
from mmupt.training.engine_plain import PlainEngine
from mmupt.training.groups import BatchShape
from mmupt.training.policy import with_lora
from mmupt.training.rollouts import roll_out
from mmupt.training.scoring import score_group
from mmupt.training.update import TrainGroup, Updater, UpdateResult
from mmupt.types import Prompt, Rollout
from tests.training_parts import random_groups, untrained


def policy(adapter: bool, seed: int = 5) -> PreTrainedModel | PeftModel:
    if not adapter:
        return untrained(seed)
    adapted = with_lora(untrained(), LoraConfig(rank=2, alpha=4), vision=False, seed=seed)
    torch.manual_seed(seed)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return adapted


@pytest.mark.parametrize("adapter", [False, True], ids=["full", "lora"])
def test_a_resume_restores_every_weight(tmp_path: Path, adapter: bool) -> None:
    saved, other = policy(adapter, seed=5), policy(adapter, seed=6)
    PlainEngine(saved, UpdateConfig()).save(tmp_path)
    names = {name for name, value in saved.state_dict().items() if not torch.equal(value, other.state_dict()[name])}
    assert names
    PlainEngine(other, UpdateConfig()).load(tmp_path)
    assert [name for name in names if not torch.equal(saved.state_dict()[name], other.state_dict()[name])] == []


@pytest.mark.parametrize("change", ["lost", "renamed"])
@pytest.mark.parametrize("adapter", [False, True], ids=["full", "lora"])
def test_a_checkpoint_without_all_weights_stops_the_resume(tmp_path: Path, adapter: bool, change: str) -> None:
    engine = PlainEngine(policy(adapter), UpdateConfig())
    engine.save(tmp_path)
    file = tmp_path / ("adapter_model.safetensors" if adapter else "model.safetensors")
    weights = load_file(file)
    name = next(name for name in weights if "layers.0.mlp.down_proj" in name)
    value = weights.pop(name)
    if change == "renamed":
        weights[name.replace("down_proj", "down_project")] = value
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(AssertionError, match=r"does not hold this (model|adapter): .*down_proj"):
        engine.load(tmp_path)


class Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


def test_a_resume_runs_no_code_that_a_plain_checkpoint_holds(tmp_path: Path) -> None:
    engine = PlainEngine(policy(adapter=True), UpdateConfig())
    engine.save(tmp_path)
    torch.save({"state": Attack(tmp_path / "ran")}, tmp_path / "optimizer.pt")
    with pytest.raises(pickle.UnpicklingError, match="system"):
        engine.load(tmp_path)
    assert not (tmp_path / "ran").exists()


def updated(sampled: torch.Tensor) -> tuple[UpdateResult, dict[str, torch.Tensor]]:
    """An update of a group whose sampler told these log-probs, and the weights after it."""
    model, (group,) = untrained(), random_groups([(1, (6, 4, 5))])
    off = partial(torch.autocast, "cpu", enabled=False)
    rules = UpdateConfig(kl_coefficient=0.0, micro_batch_size=3)
    updater = Updater(PlainEngine(model, rules), Ranks(0, 1), shared_prefix.score, rules, 0.7, 12, off)
    result = updater([TrainGroup(group, (1.0, -1.0, 0.5), tuple(sampled.tolist()))], 1e-3)
    return result, model.state_dict()


def test_the_mass_of_the_nucleus_does_not_enter_the_loss() -> None:
    (group,) = random_groups([(1, (6, 4, 5))])
    with torch.no_grad():
        seen = shared_prefix.score(untrained(), [group], 0.7).statistics
        assert seen is not None
        own = seen.plain_logps_N
    # A sampler that renormalises over a nucleus of mass 0.5 reports each log-prob larger by log 2.
    plain, weights = updated(own)
    nucleus, same_weights = updated(own + math.log(2))
    assert nucleus.sums.loss == plain.sums.loss and nucleus.grad_norm == plain.grad_norm
    assert all(torch.equal(value, same_weights[name]) for name, value in weights.items())
    assert plain.sums.sampler_gap < 1e-3 and nucleus.sums.sampler_gap == pytest.approx(15 * math.log(2), rel=1e-3)


def test_what_ranks_send_each_other_of_a_group_holds_no_picture() -> None:
    problem = problems.load("tiny:train").problems[0]
    (picture,) = problem.images
    assert picture.data is not None
    said = [Rollout(problem.id, at, f"\\boxed{{{at}}}", (1, 2), (-1.0, -1.0), "stop", at, 9) for at in range(10)]
    record = score_group(problem, said, TrainConfig(), 0)
    sent = pickle.dumps(record)
    assert picture.data not in sent and len(sent) < 500 * len(said)


def test_the_default_settings_are_those_of_the_paper_on_eight_gpus() -> None:
    config = TrainConfig()
    update, rollout = config.update, config.rollout
    shape = BatchShape(
        config.problems_per_step, config.group_size, config.updates_per_step, ranks=8, micro_batch_size=4
    )
    assert shape.problems_per_step * shape.group_size == 5120
    assert shape.problems_per_update * shape.group_size == 1280
    assert (rollout.temperature, rollout.top_p, rollout.max_tokens) == (0.7, 0.99, 2048)
    assert (update.loss_type, update.micro_batch_size, update.kl_coefficient) == ("bnpo", 4, 0.01)
    assert (update.clip_low, update.clip_high, update.dual_clip) == (0.2, 0.3, 3.0)
    assert (update.learning_rate, update.schedule, update.warmup_steps) == (1e-6, "constant", 0)
    assert (update.weight_decay, update.max_grad_norm) == (0.01, 1.0)


def test_a_limit_of_pixels_that_contradicts_the_models_own_is_refused() -> None:
    with pytest.raises(UserError, match=r"min_pixels = 12544 is larger than max_pixels = 3136.*; set both") as refused:
        loading.load_processor(str(model_dir()), max_pixels=56 * 56)
    assert "\n" not in str(refused.value)


class Splits:
    """A source of rollouts that loses the last one of each group."""

    def sample(
        self, prompts: Sequence[Prompt], params: SamplingParams, seeds: Sequence[int], gallery: Gallery | None = None
    ) -> list[list[Rollout]]:
        def group(prompt: Prompt) -> list[Rollout]:
            return [Rollout(prompt.id, at, "", (1,), (), "stop", at, 9) for at in range(params.n - 1)]

        return [group(prompt) for prompt in prompts]

    def close(self) -> None:
        """Nothing is held."""


def test_rollouts_that_come_split_stop_the_run() -> None:
    with pytest.raises(AssertionError, match="split the group of problem a: 9 rollouts for group_size 10"):
        roll_out(Splits(), TrainConfig(), 0, [Prompt("a", ())])


@pytest.fixture
def four_threads() -> Iterator[None]:
    """Torch on four threads, and afterwards on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("four_threads")
def test_a_small_model_is_sampled_and_trained_on_one_thread_of_a_cpu() -> None:
    sampling.open("transformers", "tiny", device="cpu").close()
    assert torch.get_num_threads() == 1
    torch.set_num_threads(4)
    prepare_device(TrainConfig(device="cpu"))
    assert torch.get_num_threads() == 1
