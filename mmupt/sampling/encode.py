"""Prompt -> token ids and pixels. The sampler and the trainer both encode here, so that a prompt is tokenised one
way.

The chat template is applied, and each image placeholder is repeated once for each image token, as the model's own
processor does. Of a picture only the header is read here; it is decoded by the first pass that sees it (`pixels`). A
text that smuggles in a placeholder of its own, and a picture without a readable header, are SampleErrors.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor
from transformers import ProcessorMixin

from mmupt.errors import SampleError
from mmupt.problems.pictures import MAX_PICTURE, picture_size, smart_size
from mmupt.sampling.pixels import Gallery, Patches, Pictures, picture
from mmupt.types import ImageRef, Prompt


@dataclass(frozen=True)
class Encoded:
    """One prompt, ready for the model."""

    input_ids: tuple[int, ...]
    """With one image token for each merged cell of patches."""
    pictures: Pictures | None
    """None without a picture."""

    @property
    def pixel_values(self) -> Tensor | None:
        """Patches of all pictures on the host, made anew at each call."""
        found = self._patches()
        return None if found is None else found.values

    @property
    def image_grid_thw(self) -> Tensor | None:
        """(pictures, 3): time, height and width of each picture in patches."""
        found = self._patches()
        return None if found is None else found.grid

    def _patches(self) -> Patches | None:
        return None if self.pictures is None else self.pictures.on(torch.device("cpu"))


def encode(processor: ProcessorMixin, prompt: Prompt) -> Encoded:
    """One prompt."""
    return encode_all(processor, [prompt])[0]


def encode_all(processor: ProcessorMixin, prompts: Iterable[Prompt], gallery: Gallery | None = None) -> list[Encoded]:
    """Several prompts, which share the decoded pictures of one gallery."""
    shared = gallery or Gallery(processor)
    return [_encode(processor, prompt, shared) for prompt in prompts]


def chat_text(processor: ProcessorMixin, prompt: Prompt) -> str:
    """The whole prompt as text, up to where the model begins to answer; one placeholder for each picture."""
    text = str(processor.apply_chat_template(list(prompt.messages), tokenize=False, add_generation_prompt=True))
    placeholder = str(processor.image_token)
    if text.count(placeholder) != len(prompt.images):
        found = text.count(placeholder)
        raise SampleError(f"{prompt.id}: its text holds {found} x {placeholder} for {len(prompt.images)} pictures")
    return text


def prompt_tokens(processor: ProcessorMixin, prompt: Prompt) -> int:
    """Length of the encoded prompt, image tokens included; of the pictures only the headers are read."""
    words = len(token_ids(processor, chat_text(processor, prompt)))
    # The text holds one token for each picture already.
    return words + sum(_cells(processor, ref) - 1 for ref in prompt.images)


def _cells(processor: ProcessorMixin, ref: ImageRef) -> int:
    return _patches(processor, ref) // _merged(processor)


def _patches(processor: ProcessorMixin, ref: ImageRef) -> int:
    """Patches of a picture, from its header. Turning it upright, as decoding does, leaves their number as it is."""
    size = getattr(processor.image_processor, "size", {})
    limits = (size.get("shortest_edge"), size.get("longest_edge"))
    width, height = picture_size(ref)
    if limits != (None, None):
        width, height = smart_size(width, height, limits[0] or 1, limits[1] or MAX_PICTURE)
    return int(processor.image_processor.get_number_of_image_patches(height, width))


def _merged(processor: ProcessorMixin) -> int:
    """Patches that make one image token."""
    return int(processor.image_processor.merge_size**2)


def pictures(processor: ProcessorMixin, prompt: Prompt) -> list[Image.Image]:
    """The prompt's pictures as `picture` gives them; one that cannot be decoded is a `SampleError` with its prompt."""
    try:
        return [picture(processor, ref) for ref in prompt.images]
    except SampleError as error:
        raise SampleError(f"{prompt.id}: {error}") from error


def cells(processor: ProcessorMixin, image: Image.Image) -> int:
    """Image tokens of a picture, counted from its size."""
    patches = processor.image_processor.get_number_of_image_patches(image.height, image.width)
    return int(patches // _merged(processor))


def _encode(processor: ProcessorMixin, prompt: Prompt, gallery: Gallery) -> Encoded:
    text = chat_text(processor, prompt)
    if not prompt.images:
        return Encoded(token_ids(processor, text), None)
    try:
        patches = [_patches(processor, ref) for ref in prompt.images]
    except SampleError as error:
        raise SampleError(f"{prompt.id}: {error}") from error
    pieces = text.split(processor.image_token)
    counts = [count // _merged(processor) for count in patches]
    runs = [processor.image_token * count + piece for count, piece in zip(counts, pieces[1:], strict=True)]
    pictures = Pictures(prompt.id, prompt.images, sum(patches), gallery)
    return Encoded(token_ids(processor, "".join([pieces[0], *runs])), pictures)


def token_ids(processor: ProcessorMixin, text: str) -> tuple[int, ...]:
    """The text as the model's tokenizer has it, without anything added."""
    return tuple(processor.tokenizer(text, add_special_tokens=False)["input_ids"])
