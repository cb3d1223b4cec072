"""Prompt -> token ids and pixels. The sampler and the trainer both encode here, so that a prompt is tokenised one
way.

The chat template is applied, each picture is decoded and resized once, and each image placeholder is repeated once
for each image token, as the model's own processor does. A text that smuggles in a placeholder of its own, and a
picture that cannot be decoded, are SampleErrors.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image
from torch import Tensor
from transformers import ProcessorMixin

from mmupt.errors import SampleError
from mmupt.problems import decode
from mmupt.problems.pictures import MAX_PICTURE, PATCH, picture_size, smart_size
from mmupt.types import ImageRef, Prompt

Pictures = dict[tuple[ImageRef, ...], tuple[Tensor, Tensor]]
"""The pictures of a prompt -> their pixels and grids."""


@dataclass(frozen=True)
class Encoded:
    """One prompt, ready for the model."""

    input_ids: tuple[int, ...]
    """With one image token for each merged cell of patches."""
    pixel_values: Tensor | None
    """(patches of all pictures, values of a patch), in order; None without a picture."""
    image_grid_thw: Tensor | None
    """(pictures, 3): time, height and width of each picture in patches."""


def encode(processor: ProcessorMixin, prompt: Prompt) -> Encoded:
    """One prompt."""
    return encode_all(processor, [prompt])[0]


def encode_all(processor: ProcessorMixin, prompts: Iterable[Prompt]) -> list[Encoded]:
    """Several prompts; prompts with the same pictures share their pixels."""
    seen: Pictures = {}
    return [_encode(processor, prompt, seen) for prompt in prompts]


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
    size = getattr(processor.image_processor, "size", {})
    low, high = size.get("shortest_edge") or 1, size.get("longest_edge") or MAX_PICTURE
    width, height = smart_size(*picture_size(ref), low, high)
    return width * height // PATCH**2


def picture(processor: ProcessorMixin, ref: ImageRef) -> Image.Image:
    """The picture in the size that the model sees: within the limits of the model's image processor."""
    size = getattr(processor.image_processor, "size", {})
    limits = (size.get("shortest_edge"), size.get("longest_edge"))
    return decode(ref, min_pixels=limits[0], max_pixels=limits[1])


def pictures(processor: ProcessorMixin, prompt: Prompt) -> list[Image.Image]:
    """The prompt's pictures as `picture` gives them; one that cannot be decoded is a `SampleError` with its prompt."""
    try:
        return [picture(processor, ref) for ref in prompt.images]
    except SampleError as error:
        raise SampleError(f"{prompt.id}: {error}") from error


def cells(processor: ProcessorMixin, image: Image.Image) -> int:
    """Image tokens of a picture, counted from its size."""
    patches = processor.image_processor.get_number_of_image_patches(image.height, image.width)
    return int(patches // processor.image_processor.merge_size**2)


def _encode(processor: ProcessorMixin, prompt: Prompt, seen: Pictures) -> Encoded:
    text = chat_text(processor, prompt)
    if not prompt.images:
        return Encoded(token_ids(processor, text), None, None)
    if prompt.images not in seen:
        seen[prompt.images] = _pixels(processor, prompt)
    pixel_values, grid = seen[prompt.images]
    pieces = text.split(processor.image_token)
    counts = (grid.prod(-1) // processor.image_processor.merge_size**2).tolist()
    runs = [processor.image_token * count + piece for count, piece in zip(counts, pieces[1:], strict=True)]
    return Encoded(token_ids(processor, "".join([pieces[0], *runs])), pixel_values, grid)


def token_ids(processor: ProcessorMixin, text: str) -> tuple[int, ...]:
    """The text as the model's tokenizer has it, without anything added."""
    return tuple(processor.tokenizer(text, add_special_tokens=False)["input_ids"])


def _pixels(processor: ProcessorMixin, prompt: Prompt) -> tuple[Tensor, Tensor]:
    made = processor.image_processor(images=pictures(processor, prompt), return_tensors="pt")
    return made["pixel_values"], made["image_grid_thw"]
