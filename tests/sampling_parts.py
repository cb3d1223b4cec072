"""What the tests of sampling share: the embedded model, prompts with pictures, a model that likes certain tokens."""

from functools import cache
from pathlib import Path

import torch
from torch import nn
from transformers import PreTrainedModel, ProcessorMixin

from mmupt import problems
from mmupt.problems.tiny import model_dir
from mmupt.prompts import answer_prompt, chat
from mmupt.sampling import loading
from mmupt.sampling.encode import encode
from mmupt.types import Prompt


@cache
def prompts(count: int) -> tuple[Prompt, ...]:
    """The first questions of the development set, each with its picture."""
    return tuple(answer_prompt(problem) for problem in problems.load("tiny:dev").problems[:count])


@cache
def processor() -> ProcessorMixin:
    return loading.load_processor(str(model_dir()))


def model() -> PreTrainedModel:
    """The embedded model in float32, in evaluation mode."""
    return loading.load_model(str(model_dir()), dtype="float32", device="cpu")


def favour(model: PreTrainedModel, tokens: tuple[int, ...], bias: float) -> PreTrainedModel:
    """The same model with `bias` added to the logits of some tokens."""
    head = nn.Linear(model.lm_head.in_features, model.lm_head.out_features)
    with torch.no_grad():
        head.weight.copy_(model.lm_head.weight)
        head.bias.zero_()[list(tokens)] += bias
    model.lm_head = head
    return model


def text_logits(model: PreTrainedModel) -> torch.Tensor:
    """(tokens, vocabulary) for a question without a picture."""
    ids = encode(processor(), chat("p", "What is 3 plus 4? What is the perimeter of the rectangle?", ())).input_ids
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=torch.tensor([ids])).logits[0]
    return logits


def image_lover(folder: Path) -> Path:
    """A model folder whose most likely token is nearly always one that stands for a picture, or for a video."""
    wanting = model()
    config = wanting.config
    config.tie_word_embeddings = config.text_config.tie_word_embeddings = False
    rows = wanting.lm_head.weight.detach().clone()
    direction = torch.randn(rows.shape[1], generator=torch.Generator().manual_seed(0))
    # Whatever the hidden state, one of the two opposite rows answers it.
    rows[config.image_token_id], rows[config.video_token_id] = direction, -direction
    wanting.lm_head.weight = nn.Parameter(rows)
    # Strong, and yet within what vLLM can forbid: a bias of -100.
    with torch.no_grad():
        strongest = text_logits(wanting)[:, config.image_token_id].abs().max()
        wanting.lm_head.weight[[config.image_token_id, config.video_token_id]] *= 60 / strongest
    wanting.save_pretrained(folder)
    processor().save_pretrained(folder)
    return folder
