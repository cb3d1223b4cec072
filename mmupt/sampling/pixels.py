"""Pictures on their way to a model: decoded once, held small, made into patches for the pass that sees them.

A decoded picture is 8-bit RGB on the host, in the size that the model sees: an eighth of the patches that the model's
processor makes of it (float32, each frame twice). Patches are made on the device, and live as long as the one pass that
needs them.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy
import torch
from PIL import Image
from torch import Tensor
from transformers import ProcessorMixin
from transformers.image_processing_backends import TorchvisionBackend

from mmupt.errors import SampleError
from mmupt.problems import decode
from mmupt.types import ImageRef


@dataclass(frozen=True)
class Patches:
    """What the vision tower is given for the pictures of one prompt."""

    values: Tensor
    """(patches of all pictures, values of a patch), in order."""
    grid: Tensor
    """(pictures, 3): time, height and width of each picture in patches."""

    def on(self, device: torch.device) -> "Patches":
        return Patches(self.values.to(device), self.grid.to(device))


class Shown(Protocol):
    """The pictures of one prompt, in whatever form they are kept."""

    def on(self, device: torch.device) -> Patches:
        """Their patches, made or copied for one pass."""


class Gallery:
    """The pictures of some prompts, each decoded once, when it is first seen; prompts that show the same one share
    it."""

    def __init__(self, processor: ProcessorMixin) -> None:
        self.processor = processor
        self._held: dict[ImageRef, Tensor] = {}

    def image(self, ref: ImageRef) -> Tensor:
        """(3, height, width), 8-bit."""
        if ref not in self._held:
            pixels = numpy.asarray(picture(self.processor, ref))
            self._held[ref] = torch.from_numpy(pixels.copy()).permute(2, 0, 1).contiguous()
        return self._held[ref]

    @property
    def decoded(self) -> int:
        """Pictures that were decoded so far."""
        return len(self._held)

    @property
    def nbytes(self) -> int:
        """Host memory that they take."""
        return sum(held.nbytes for held in self._held.values())


@dataclass(frozen=True)
class Pictures:
    """The pictures of one prompt, not decoded before the first pass that sees them."""

    prompt_id: str
    refs: tuple[ImageRef, ...]
    patches: int
    """How many patches they will make."""
    gallery: Gallery

    def on(self, device: torch.device) -> Patches:
        """Their patches, made anew; a picture that cannot be decoded is a `SampleError` with its prompt."""
        maker = self.gallery.processor.image_processor
        where = device if isinstance(maker, TorchvisionBackend) else torch.device("cpu")
        try:
            images = [self.gallery.image(ref).to(where) for ref in self.refs]
        except SampleError as error:
            raise SampleError(f"{self.prompt_id}: {error}") from error
        made = maker(images=images, return_tensors="pt")
        return Patches(made["pixel_values"].to(device), made["image_grid_thw"].to(device))


def picture(processor: ProcessorMixin, ref: ImageRef) -> Image.Image:
    """The picture in the size that the model sees: within the limits of the model's image processor."""
    size = getattr(processor.image_processor, "size", {})
    limits = (size.get("shortest_edge"), size.get("longest_edge"))
    return decode(ref, min_pixels=limits[0], max_pixels=limits[1])
