"""What the training loop needs of an engine: gradients, steps, checkpoints and the whole weights to sample from."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal, Protocol

from torch import Tensor, nn

from mmupt.training.whole_weights import Weights


class Engine(Protocol):
    """One policy under training. With several ranks, all of them make the same calls in the same order."""

    kind: Literal["plain", "deepspeed"]
    zero_stage: int

    @property
    def model(self) -> nn.Module:
        """The policy to run forward: the model itself, or DeepSpeed's wrapper of it."""

    def backward(self, loss: Tensor, *, last: bool) -> None:
        """Add the gradient of `loss`, this rank's part of a sum over ranks; `last` marks the last call before
        `step`."""

    def step(self, learning_rate: float) -> float:
        """Clip, update, forget the gradient; the gradient's norm before clipping."""

    def save(self, folder: Path) -> None:
        """Write weights and optimiser into an existing folder; see `checkpoint` for the names."""

    def load(self, folder: Path, saved_by: int) -> None:
        """Take weights and optimiser back from a folder that `save` wrote on `saved_by` ranks."""

    def weights(self) -> Weights:
        """The current weights one after the other, whole, adapters added in; all ranks go through them together."""

    def whole(self) -> AbstractContextManager[nn.Module]:
        """The model with all of its current weights, to sample from, never to train."""
