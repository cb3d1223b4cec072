"""What the tests of training share: a small model that answers, and settings that train it in seconds."""

from functools import cache
from pathlib import Path

import torch

from mmupt import config, problems, prompts
from mmupt.config.train import TrainConfig
from mmupt.problems.tiny import model_dir
from mmupt.sampling import loading
from mmupt.sampling.encode import encode_all
from mmupt.tiny.architecture import make_model
from mmupt.training import shared_prefix
from mmupt.training.scores import EncodedGroup

QUICK = {
    "deepspeed": "none",
    "data": "tiny:train",
    "limit": 24,
    "group_size": 6,
    "problems_per_step": 4,
    "updates_per_step": 1,
    "freeze_vision": True,
    "rollout": {"temperature": 1.0, "top_p": 1.0, "max_tokens": 12},
    "update": {"learning_rate": 3e-4, "kl_coefficient": 0.0, "micro_batch_size": 6},
}
"""Settings under which a step takes a fraction of a second."""


def settings(out: Path, model: Path, *sets: str) -> TrainConfig:
    return config.parse(TrainConfig, {**QUICK, "out": str(out), "model": str(model)}, sets)


@cache
def guesser(folder: Path) -> Path:
    """A folder with a model of the embedded architecture that was taught to answer 1, 2 or 3 at random, in a box."""
    processor = loading.load_processor(str(model_dir()))
    model = make_model(processor.tokenizer, seed=5)
    questions = problems.load("tiny:train").problems[:8]
    encoded = encode_all(processor, [prompts.answer_prompt(question) for question in questions])
    ids = [tuple(processor.tokenizer(f"It is \\boxed{{{n}}}.<|im_end|>")["input_ids"]) for n in (1, 2, 3)]
    groups = [EncodedGroup(torch.tensor(one.input_ids), one.pixel_values, one.image_grid_thw, tuple(ids)) for one in encoded]
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(30):
        loss = -shared_prefix.score(model, groups, 1.0).logps_N.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
