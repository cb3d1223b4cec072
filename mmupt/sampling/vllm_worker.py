"""What we add to vLLM's workers: they take other weights while they run. vLLM mixes the class into its own.

No ML library is imported: vLLM imports this in each of its workers, in a server too.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class _Worker(Protocol):
    """The part of vLLM's worker that is used here."""

    def reload_weights(self, weights_iterator: "Iterator[tuple[str, Tensor]]") -> None: ...
    def get_model(self) -> "_Model": ...


class _Model(Protocol):
    def modules(self) -> "list[_Layer]": ...


class _Layer(Protocol):
    """A layer for whose product a CPU holds a packed copy of the weights, as `cpu_linear`."""

    weight: "_Weight"
    quant_method: "_Method"


class _Weight(Protocol):
    def numel(self) -> int: ...


class _Method(Protocol):
    def process_weights_after_loading(self, layer: _Layer) -> None: ...


class TakesWeights:
    """Give its name to vLLM as `worker_extension_cls`."""

    def take_weights(self: _Worker, folder: str) -> None:
        """Replace the weights, in place, by those of a folder of safetensors files."""
        # Not given as a path: that would also take the place of the model's folder, where vLLM looks for the processor.
        self.reload_weights(_read(Path(folder)))
        # A head that shares the embedding's weights is left out by vLLM's reload. They are new all the same, being the
        # same memory; but on a CPU the head multiplies by a packed copy, which is still of the old ones.
        for layer in self.get_model().modules():
            if hasattr(layer, "cpu_linear") and layer.weight.numel():
                layer.quant_method.process_weights_after_loading(layer)


def _read(folder: Path) -> "Iterator[tuple[str, Tensor]]":
    from safetensors import safe_open

    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise FileNotFoundError(f"there are no weights in {folder}")
    for file in files:
        with safe_open(file, "pt") as weights:
            for name in weights.keys():  # noqa: SIM118  (it is no mapping)
                yield name, weights.get_tensor(name)
