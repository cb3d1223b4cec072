"""What the tests of training share: a small model that answers, groups to score, and settings that train in seconds."""

import random
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import torch
from transformers import PreTrainedModel, ProcessorMixin

from mmupt import config, problems, prompts
from mmupt.config.train import TrainConfig
from mmupt.problems.tiny import model_dir
from mmupt.sampling import loading
from mmupt.sampling.encode import encode_all
from mmupt.tiny.architecture import make_model
from mmupt.training import shared_prefix
from mmupt.training.scores import EncodedGroup
from mmupt.types import Prompt

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
    "guard": {"on_collapse": "ignore"},
}
"""Settings under which a step takes a fraction of a second."""


def settings(out: Path, *sets: str) -> TrainConfig:
    """Settings of a quick run on the guesser."""
    return config.parse(TrainConfig, {**QUICK, "out": str(out), "model": str(guesser())}, sets)


@cache
def processor() -> ProcessorMixin:
    return loading.load_processor(str(model_dir()))


def untrained(seed: int = 5) -> PreTrainedModel:
    """Random weights in the embedded architecture."""
    return make_model(processor().tokenizer, seed=seed)


@cache
def guesser() -> Path:
    """A folder with a model that was taught to answer 1, 2 or 3 at random, in a box."""
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="mmupt-guesser-"))
    model = untrained()
    questions = problems.load("tiny:train").problems[:8]
    encoded = encode_all(processor(), [prompts.answer_prompt(question) for question in questions])
    ids = tuple(tuple(processor().tokenizer(f"It is \\boxed{{{n}}}.<|im_end|>")["input_ids"]) for n in (1, 2, 3))
    groups = [EncodedGroup(torch.tensor(one.input_ids), one.pictures, ids) for one in encoded]
    optimiser = torch.optim.AdamW(model.parameters(), lr=2e-3)
    for _ in range(30):
        loss = -shared_prefix.score(model, groups, 1.0).logps_N.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.save_pretrained(folder)
    processor().save_pretrained(folder)
    return folder


def random_groups(shapes: Sequence[tuple[int, Sequence[int]]], seed: int = 0) -> list[EncodedGroup]:
    """One group for each (pictures, lengths of its completions), with random completions."""
    draw = random.Random(seed)
    pictures = [image for problem in problems.load("tiny:train").problems[:9] for image in problem.images]
    asked = []
    for number, (count, _) in enumerate(shapes):
        question = {"type": "text", "text": " ".join(["How many red squares?"] * (1 + number))}
        message = {"role": "user", "content": [*[{"type": "image"}] * count, question]}
        asked.append(Prompt(str(number), (message,), tuple(draw.sample(pictures, count))))
    encoded = encode_all(processor(), asked)
    groups = []
    for one, (_, lengths) in zip(encoded, shapes, strict=True):
        completions = tuple(tuple(draw.randrange(20, 500) for _ in range(length)) for length in lengths)
        groups.append(EncodedGroup(torch.tensor(one.input_ids), one.pictures, completions))
    return groups


def gradient(model: torch.nn.Module) -> torch.Tensor:
    """The gradient of all trained weights as one vector; zeros where there is none."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.cat([torch.zeros_like(one).flatten() if one.grad is None else one.grad.flatten() for one in trained])


def relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    """Norm of the difference, relative to the norm of what was wanted."""
    return ((found - wanted).norm() / wanted.norm()).item()
