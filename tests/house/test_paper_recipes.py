"""The shipped recipes of the paper (arXiv 2505.22453) carry its numbers, as its public code and README state them."""

import re
import tomllib

import pytest

from mmupt import shipped
from mmupt.config import load, to_dict
from mmupt.config.audit import AuditConfig
from mmupt.config.evaluate import EvaluateConfig
from mmupt.config.run import RunConfig
from mmupt.config.train import TrainConfig
from mmupt.stages.pipeline import Stage, plan
from mmupt.stages.planning import plan_training
from tests.house.source import ROOT

SETS = ("geometry3k", "geoqa", "mmr1")
FULL = [f"qwen2_5_vl_7b-{name}{kind}" for name in SETS for kind in ("", "-in_context", "-direct")]
FULL.append("qwen2_5_vl_7b-geometry3k-own_questions")
SMALLER = [
    "qwen2_5_vl_3b-geometry3k-2gpu",
    "qwen2_5_vl_3b-geometry3k-lora-1gpu",
    "qwen2_5_vl_7b-geometry3k-lora-1gpu",
    "qwen2_5_vl_7b-geometry3k-lora-2gpu",
]

PAPER = {
    "estimator": "majority",
    "group_size": 10,
    "vote_samples": None,
    "problems_per_step": 512,
    "updates_per_step": 4,
    "max_prompt_tokens": 2048,
    "epochs": 15,
    "audit": False,
    "save.every": 5,
    "rollout.temperature": 0.7,
    "rollout.top_p": 0.99,
    "rollout.max_tokens": 2048,
    "rollout.min_pixels": 262144,
    "rollout.max_pixels": 1204224,
    "update.schedule": "constant",
    "update.warmup_steps": 0,
    "update.weight_decay": 0.01,
    "update.betas": [0.9, 0.999],
    "update.max_grad_norm": 1.0,
    "update.clip_low": 0.2,
    "update.clip_high": 0.3,
    "update.dual_clip": 3.0,
    "update.kl_coefficient": 0.01,
    "update.loss_type": "bnpo",
    "update.micro_batch_size": 4,
    "update.gradient_checkpointing": True,
}
WHOLE = {"update.learning_rate": 1e-6, "freeze_vision": False, "lora": None}
EVALUATION = {"system": "You are a helpful assistant.", "samples": 1, "split": None, "limit": None, "judge": "boxed"}
EVALUATION_ROLLOUT = {"temperature": 0.2, "max_tokens": 16384, "min_pixels": 224 * 224, "max_pixels": 1280 * 28 * 28}


def stages(name: str) -> dict[str, Stage]:
    return {stage.name: stage for stage in plan(load(RunConfig, shipped.pipelines()[name]))}


def training(name: str) -> TrainConfig:
    config = stages(name)["vote"].config
    assert isinstance(config, TrainConfig)
    return config


def value(settings: object, key: str) -> object:
    for part in key.split("."):
        assert isinstance(settings, dict)
        settings = settings[part]
    return settings


def test_every_recipe_of_the_paper_is_known_here():
    assert {name for name in shipped.pipelines() if name.startswith("qwen")} == {*FULL, *SMALLER}


@pytest.mark.parametrize("name", FULL + SMALLER)
def test_a_recipe_trains_by_the_numbers_of_the_paper(name):
    wanted = PAPER | (WHOLE if "-lora" not in name else {})
    settings = to_dict(training(name))
    assert {key: value(settings, key) for key in wanted} == wanted


@pytest.mark.parametrize("name", FULL)
def test_the_whole_model_is_trained_on_eight_gpus(name):
    config = training(name)
    assert (config.model, config.ranks) == ("Qwen/Qwen2.5-VL-7B-Instruct", 8)
    assert config.steps == (80 if name == "qwen2_5_vl_7b-mmr1" else None)
    assert config.vote.kl_without_winner


@pytest.mark.parametrize("name", FULL + SMALLER)
def test_base_and_trained_model_are_scored_alike_by_the_protocol_of_the_paper(name):
    base, trained = (stages(name)[each].config for each in ("base-scored", "scored"))
    assert isinstance(base, EvaluateConfig) and isinstance(trained, EvaluateConfig)
    differ = {key for key, each in to_dict(base).items() if each != to_dict(trained)[key]}
    assert differ == {"out", "model"} and base.model == training(name).model
    assert base.names() == ("mathvision", "mathverse", "mathvista", "wemath") and base.protocol == "mm-upt"
    assert {key: getattr(base, key) for key in EVALUATION} == EVALUATION
    assert {key: getattr(base.rollout, key) for key in EVALUATION_ROLLOUT} == EVALUATION_ROLLOUT


def test_each_recipe_trains_on_the_set_of_its_name():
    seen = {name: training(name).data for name in FULL[:9]}
    told = {f"qwen2_5_vl_7b-{each}": f"{each}:train" for each in SETS}
    told |= {f"qwen2_5_vl_7b-{each}-in_context": f"{each}-in-context:train" for each in SETS}
    assert seen == told | {f"qwen2_5_vl_7b-{each}-direct": f"{each}-direct:train" for each in SETS}


def test_the_recipes_for_one_and_two_gpus_use_so_many():
    ranks = {name: training(name).ranks for name in SMALLER}
    assert ranks == {name: 2 if name.endswith("-2gpu") else 1 for name in SMALLER}
    for name in SMALLER:
        scored = stages(name)["scored"].config
        assert isinstance(scored, EvaluateConfig) and scored.rollout.engines == training(name).ranks


@pytest.mark.parametrize("name", FULL + SMALLER)
def test_the_audit_asks_as_the_training_will(name):
    audit, vote = stages(name)["audit"].config, training(name)
    assert isinstance(audit, AuditConfig) and audit.samples == vote.rollouts_each
    assert (audit.model, audit.data, audit.seed, audit.vote) == (vote.model, vote.data, vote.seed, vote.vote)
    alike = ("temperature", "top_p", "max_tokens", "min_pixels", "max_pixels")
    assert [getattr(audit.rollout, each) for each in alike] == [getattr(vote.rollout, each) for each in alike]
    assert audit.rollout.engines == vote.ranks


def test_the_page_of_the_paper_says_what_the_recipes_say():
    page = (ROOT / "docs" / "paper.md").read_text()
    table = page.partition("## Settings")[2].partition("\n## ")[0]
    said = re.findall(r"`([a-z_.]+) = ([^`]+)`", table)
    settings = {**to_dict(training("qwen2_5_vl_7b-geometry3k")), "steps": training("qwen2_5_vl_7b-mmr1").steps}
    assert len(said) > 25
    assert {key: value(settings, key) for key, _ in said} == {
        key: tomllib.loads(f"x = {text}")["x"] for key, text in said
    }


@pytest.mark.parametrize("name", FULL + SMALLER)
def test_a_recipe_fits_the_gpus_that_it_is_made_for(name):
    memory = plan_training(training(name), ["train"]).memory
    limit = 40 if name == "qwen2_5_vl_3b-geometry3k-lora-1gpu" else 80
    assert memory is not None
    # What CUDA and kernels take comes on top.
    assert memory.device.while_updating < 0.9 * limit * 10**9
    assert memory.device.while_sampling < 0.9 * 80 * 10**9


def test_own_questions_are_written_before_they_are_trained_on():
    found = stages("qwen2_5_vl_7b-geometry3k-own_questions")
    assert next(iter(found)) == "questions"
    assert found["vote"].needs == found["audit"].needs == ("questions",)
