"""A prompt is the same tokens for the engine that samples and for the model that is trained or asked elsewhere.

Engines tokenise, resize pictures and repeat image tokens by themselves: that all of it came out alike is checked for
every prompt, here.
"""

from collections.abc import Sequence

from mmupt.errors import MmuptError


def check_same(prompt_id: str, engine: Sequence[object], ours: Sequence[int]) -> None:
    """Stop, with both lengths, where the engine's prompt is not ours."""
    if list(engine) == list(ours):
        return
    what = f"{prompt_id}: vLLM's prompt has {len(engine)} tokens and the processor's {len(ours)}"
    if len(engine) != len(ours):
        raise MmuptError(f"{what}; they resize pictures differently: set min_pixels and max_pixels")
    first = next(place for place, (one, other) in enumerate(zip(engine, ours, strict=True)) if one != other)
    raise MmuptError(f"{what}, and they differ from token {first} on: its tokenizer or chat template is another one")
