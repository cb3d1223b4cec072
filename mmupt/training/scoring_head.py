"""The model's last layer, which makes logits, read inside the model's own forward pass.

While `scoring` holds, the head hands its input to a function and the model returns what that gives, in the place of
logits. So the logits of all tokens never exist, and whatever an engine does around a layer (ZeRO-3 gathers its weights)
is done as ever.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from transformers import PreTrainedModel

from mmupt.training.scores import Head


def inside(model: nn.Module) -> PreTrainedModel:
    """The transformers model inside an engine and an adapter."""
    inner = getattr(model, "module", model)
    return inner.get_base_model() if hasattr(inner, "get_base_model") else inner


@contextmanager
def scoring(model: nn.Module, read: Callable[[Head, Tensor], Tensor]) -> Iterator[None]:
    """`read(head, hidden)` is what the model's `logits` will be; `head` makes the logits of some rows of `hidden`."""
    layer = inside(model).get_output_embeddings()
    own = vars(layer).get("forward")  # an engine may have put its own there
    head = layer.forward
    layer.forward = lambda hidden: read(head, hidden)
    try:
        yield
    finally:
        if own is None:
            del layer.forward
        else:
            layer.forward = own
