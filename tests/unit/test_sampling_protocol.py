"""Sampling settings, seeds, model names and engines: what is decided before anything heavy is imported."""

import json
import subprocess
import sys

import pytest

from mmupt import sampling
from mmupt.config import parse
from mmupt.config.sampling import RolloutConfig
from mmupt.errors import UserError
from mmupt.problems.tiny import model_dir
from mmupt.sampling import SamplingParams
from mmupt.sampling.models import resolve_model
from mmupt.sampling.protocol import derive_seed, group_seeds
from mmupt.sampling.size import count_parameters, is_small
from mmupt.types import Prompt

PROMPTS = [Prompt(id=f"p{i}", messages=({"role": "user", "content": "?"},)) for i in range(200)]


def test_groups_have_their_own_seeds_and_their_rollouts_do_not_meet():
    seeds = group_seeds(PROMPTS, SamplingParams(n=10), None)
    assert len({seed + g for seed in seeds for g in range(10)}) == 2000


def test_neighbouring_problem_seeds_do_not_share_noise():
    seeds = group_seeds(PROMPTS, SamplingParams(n=10), range(200))
    assert len({seed + g for seed in seeds for g in range(10)}) == 2000


def test_a_seed_depends_on_the_id_and_not_on_the_place_in_the_batch():
    params = SamplingParams(seed=7)
    assert group_seeds(PROMPTS[50:60], params, None) == group_seeds(PROMPTS, params, None)[50:60]
    assert derive_seed(7, "p50") == 247_824_659_245_607


@pytest.mark.parametrize("wrong", [{"n": 0}, {"temperature": -0.1}, {"top_p": 0.0}, {"top_p": 1.1}, {"max_tokens": 0}])
def test_settings_that_cannot_be_sampled_with_are_refused_in_one_line(wrong: dict[str, float]):
    with pytest.raises(UserError, match=next(iter(wrong))) as caught:
        SamplingParams(**wrong)
    assert "\n" not in str(caught.value)


def test_the_engines_are_listed_and_a_mistyped_one_is_told_the_nearest():
    assert sampling.engines() == ["auto", "openai", "scripted", "transformers", "vllm"]
    with pytest.raises(UserError, match="did you mean 'transformers'"):
        sampling.open("transformer", "tiny")


def test_an_option_that_an_engine_does_not_have_is_refused():
    with pytest.raises(UserError, match="temprature is no option of scripted"):
        sampling.open("scripted", "rule", temprature=1.0)


def test_settings_that_an_engine_has_no_use_for_do_not_stop_it():
    config = parse(RolloutConfig, {"engine": "scripted", "batch_size": 64, "max_model_len": 512})
    assert len(sampling.open_configured(config, "rule").sample(PROMPTS[:3], SamplingParams(n=2))) == 3


def test_a_model_is_a_word_a_folder_or_a_hub_id(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    assert resolve_model("tiny") == str(model_dir())
    assert resolve_model(str(tmp_path)) == str(tmp_path)
    assert resolve_model("Qwen/Qwen2.5-VL-7B-Instruct") == "Qwen/Qwen2.5-VL-7B-Instruct"


@pytest.mark.parametrize("name", ["missing", "./missing/folder", "/missing/folder", "missing/folder/deep", ""])
def test_a_missing_model_folder_is_one_line(name: str):
    with pytest.raises(UserError, match="no such model") as caught:
        resolve_model(name)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_config_points_to_the_one_below_it(tmp_path):
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "checkpoint" / "config.json").write_text("{}")
    with pytest.raises(UserError, match="there is one in checkpoint"):
        resolve_model(str(tmp_path))


def test_parameters_are_counted_without_loading_the_model():
    from transformers import AutoModelForImageTextToText

    model = AutoModelForImageTextToText.from_pretrained(model_dir())
    assert count_parameters(str(model_dir())) == sum(parameter.numel() for parameter in model.parameters())
    assert is_small(str(model_dir())) and not is_small("Qwen/Qwen2.5-VL-7B-Instruct")


def test_the_scripted_engine_needs_no_ml_library():
    code = (
        "import json, sys\n"
        "from mmupt import sampling\n"
        "from mmupt.types import Prompt\n"
        "prompt = Prompt(id='p', messages=({'role': 'user', 'content': 'why?'},))\n"
        "sampling.open('scripted', 'rule').sample([prompt], sampling.SamplingParams(n=3))\n"
        "heavy = {'torch', 'transformers', 'vllm', 'numpy', 'PIL', 'pyarrow', 'pandas', 'datasets'}\n"
        "print(json.dumps(sorted(heavy & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []
