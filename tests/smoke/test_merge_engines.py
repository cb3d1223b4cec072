"""Each kind of checkpoint, trained by two real ranks: its merged folder says what the trained model says.

The same greedy tokens are wanted from transformers and from vLLM, with pictures. Folders that are the same in every
byte that is loaded, as those of several kinds of one model are, are opened once.
"""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import torch

from mmupt import sampling
from mmupt.config.merge import MergeConfig
from mmupt.merging.card import RECORD
from mmupt.problems import load
from mmupt.problems.tiny import model_dir
from mmupt.prompts import answer_prompt
from mmupt.sampling import SamplingParams
from mmupt.sampling.loading import load_model, load_processor
from mmupt.sampling.protocol import Sampler
from mmupt.sampling.transformers import TransformersSampler
from mmupt.stages.merge import merge
from tests.merge_parts import made_by

ENGINES = {"transformers": {}, "vllm": {"max_model_len": 512}}
KINDS = {
    **{name: f"{name}/truth.pt" for name in ("zero1", "zero2", "zero3")},
    "universal": "zero2/truth.pt",
    **dict.fromkeys(("verl", "hsdp", "dcp"), "truth.pt"),
    **dict.fromkeys(("lora", "lora/global_step_2/actor/lora_adapter"), "lora-truth.pt"),
}
"""Checkpoint -> file of the weights that were trained."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = made_by("zero_checkpoints.py", tmp_path_factory.mktemp("made"))
    made_by("sharded_checkpoints.py", folder)
    source = folder / "zero2" / "checkpoints" / "step-2" / "deepspeed"
    convert = [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal", "--inject_missing_state"]
    folders = ["--input_folder", str(source), "--output_folder", str(folder / "universal")]
    workers = ["--num_extract_workers", "1", "--num_merge_workers", "1"]
    subprocess.run([*convert, *folders, *workers], check=True, capture_output=True, timeout=300)
    return folder


@pytest.fixture(scope="module")
def merged(made: Path) -> dict[Path, Path]:
    """Folder that was merged -> file of the weights that were trained."""
    truths = {}
    for number, (name, truth) in enumerate(KINDS.items()):
        out = made / "merged" / str(number)
        merge(MergeConfig(checkpoint=made / name, out=out, base="tiny", dtype="float32"))
        truths[out] = made / truth
    again = made / "merged" / "shards"
    merge(MergeConfig(checkpoint=made / "merged" / "2", out=again, shard_gb=0.002))
    assert len(list(again.glob("model-*.safetensors"))) > 2
    return {**truths, again: made / "zero3" / "truth.pt"}


def test_each_kind_says_in_both_engines_what_the_trained_model_says(merged: dict[Path, Path]):
    trained = dict(spoken_by_trained(set(merged.values())))
    untrained = tokens(around(None))
    assert untrained not in trained.values() and min(len(said) for each in trained.values() for said in each) > 1
    opened: dict[tuple[str, str], list[tuple[int, ...]]] = {}
    for folder, truth in merged.items():
        for engine, options in ENGINES.items():
            key = (engine, loaded_bytes(folder))
            if key not in opened:
                with closing(sampling.open(engine, str(folder), dtype="float32", **options)) as sampler:
                    opened[key] = tokens(sampler)
            assert opened[key] == trained[truth], (folder.name, engine)
    assert len(merged) == 10


def spoken_by_trained(truths: set[Path]) -> Iterator[tuple[Path, list[tuple[int, ...]]]]:
    for truth in truths:
        yield truth, tokens(around(torch.load(truth, weights_only=True)))


def around(weights: dict[str, torch.Tensor] | None) -> TransformersSampler:
    model = load_model(str(model_dir()), dtype="float32", device="cpu")
    if weights is not None:
        model.load_state_dict(weights)
    return TransformersSampler(model, load_processor(str(model_dir())))


def tokens(sampler: Sampler) -> list[tuple[int, ...]]:
    asked = [answer_prompt(problem) for problem in load("tiny:dev").problems[:24]]
    groups = sampler.sample(asked, SamplingParams(n=1, temperature=0, max_tokens=16))
    return [rollout.token_ids for group in groups for rollout in group]


def loaded_bytes(folder: Path) -> str:
    """A hash over every file that a program loads, config, tokenizer and processor too."""
    files = sorted(file for file in folder.iterdir() if file.name not in ("README.md", RECORD))
    told = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()
