"""One group by transformers' own `generate`: for model classes that the shared decoding loop was not checked against.

Slower (the prompt is read n times) and general. Noise comes from torch's global generator, seeded for the group and
put back afterwards.
"""

import torch
from transformers import PreTrainedModel

from mmupt.sampling.completions import Completion
from mmupt.sampling.encode import Encoded
from mmupt.sampling.protocol import SamplingParams


def generate_group(
    model: PreTrainedModel, banned: tuple[int, ...], prompt: Encoded, seed: int, params: SamplingParams
) -> list[Completion]:
    """n completions of one prompt."""
    device = model.device
    ids = torch.tensor([prompt.input_ids], device=device)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if prompt.pictures is not None:
        patches = prompt.pictures.on(device)
        inputs |= {"pixel_values": patches.values, "image_grid_thw": patches.grid}
        inputs["mm_token_type_ids"] = (ids == model.config.image_token_id).int()
    sampling = params.temperature > 0
    # top_k 0 and penalty 1 undo what the model's own generation config may ask for.
    noisy = {"temperature": params.temperature, "top_p": params.top_p, "top_k": 0} if sampling else {}
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        made = model.generate(
            **inputs,
            **noisy,
            do_sample=sampling,
            num_return_sequences=params.n if sampling else 1,
            max_new_tokens=params.max_tokens,
            repetition_penalty=1.0,
            suppress_tokens=list(banned) or None,
            output_logits=True,
            return_dict_in_generate=True,
        )
    tokens = made.sequences[:, ids.shape[1] :]
    logprobs = torch.stack(made.logits, 1).float().log_softmax(-1).gather(-1, tokens[..., None]).squeeze(-1)
    ends = model.generation_config.eos_token_id
    groups = [_until_end(*row, ends) for row in zip(tokens.tolist(), logprobs.tolist(), strict=True)]
    return groups * (params.n // len(groups))


def _until_end(tokens: list[int], logprobs: list[float], ends: int | list[int] | None) -> Completion:
    stops = ends if isinstance(ends, list) else [ends]
    length = next((at + 1 for at, token in enumerate(tokens) if token in stops), len(tokens))
    return Completion(tuple(tokens[:length]), tuple(logprobs[:length]))
