"""The shared prefix gives the log-probs and the gradient of the layout without sharing."""

import pytest
import torch
from peft import PeftModel

from mmupt.config.train import LoraConfig
from mmupt.training import repeated, shared_prefix
from mmupt.training.policy import with_lora
from mmupt.training.scores import EncodedGroup, TokenScores, seen_by
from mmupt.training.update import Layout
from tests.training_parts import gradient, random_groups, relative, untrained

RAGGED = [(1, (7, 1, 19, 4)), (2, (3, 3)), (0, (12, 5, 9)), (1, (2, 6, 2, 2, 8))]


def scored(layout: Layout, model: torch.nn.Module, groups: list[EncodedGroup]) -> tuple[TokenScores, torch.Tensor]:
    model.zero_grad()
    scores = layout(model, groups, 0.7)
    (scores.logps_N * torch.linspace(-1, 1, len(scores.logps_N))).sum().backward()
    return scores, gradient(model)


@pytest.mark.parametrize("shapes", [RAGGED[:1], RAGGED[1:2], RAGGED[2:3], RAGGED])
def test_shared_prefix_and_repeated_layout_agree(shapes: list[tuple[int, tuple[int, ...]]]) -> None:
    model, groups = untrained(), random_groups(shapes)
    shared, shared_gradient = scored(shared_prefix.score, model, groups)
    plain, plain_gradient = scored(repeated.score, model, groups)
    assert len(shared.logps_N) == sum(sum(lengths) for _, lengths in shapes)
    assert relative(shared.logps_N, plain.logps_N) < 1e-5
    assert shared.statistics is not None and plain.statistics is not None
    for name, found in vars(shared.statistics).items():
        assert relative(found, getattr(plain.statistics, name)) < 1e-5
    assert relative(shared_gradient, plain_gradient) < 1e-5


def test_they_agree_with_lora_and_gradient_checkpointing() -> None:
    model = with_lora(untrained(), LoraConfig(rank=4, alpha=8), vision=True, seed=0)
    assert isinstance(model, PeftModel)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    groups = random_groups(RAGGED)
    _, plain = scored(repeated.score, model, groups)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    model.train()
    _, shared = scored(shared_prefix.score, model, groups)
    assert relative(shared, plain) < 1e-5


def test_a_completion_does_not_see_its_neighbours() -> None:
    model, (group,) = untrained(), random_groups([(1, (4, 6, 5))])
    alone = EncodedGroup(group.prompt_ids, group.pictures, group.completions_G_T[1:2])
    together = shared_prefix.score(model, [group], 1.0).logps_N[4:10]
    assert relative(together, shared_prefix.score(model, [alone], 1.0).logps_N) < 1e-5


def test_the_pictures_of_a_group_are_encoded_once() -> None:
    seen: list[int] = []
    model, groups = untrained(), random_groups([(1, (3,) * 10), (1, (3,) * 10)])
    model.model.visual.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    shared_prefix.score(model, groups, 1.0)
    shown = seen_by(groups, torch.device("cpu"))
    assert seen == [sum(len(each.values) for each in shown if each is not None)]
