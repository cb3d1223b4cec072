"""A resolved model -> its config, processor and weights, by the classes that its own files name.

Nothing of the model's is executed unless `trust_remote_code` says so; what cannot be loaded is a `UserError`. Whoever
uses transformers comes by here, so it is also told here to print nothing: that is the console's business.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
import transformers
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    GenerationConfig,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    ProcessorMixin,
)

from mmupt.errors import UserError

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

Loaded = TypeVar("Loaded")

VISION_FIELDS = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id", "vision_token_id")
VISION_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>")
WHOLE = "check that the folder is whole, and that its class is known to this version of transformers"
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def load_config(model: str, *, trust_remote_code: bool = False) -> PretrainedConfig:
    """The configuration, without weights."""
    return _load(AutoConfig.from_pretrained, model, trust_remote_code=trust_remote_code)


def load_processor(
    model: str, *, min_pixels: int | None = None, max_pixels: int | None = None, trust_remote_code: bool = False
) -> ProcessorMixin:
    """Tokenizer, chat template and image processor; pixel limits, where given, replace the image processor's own."""
    processor = _load(AutoProcessor.from_pretrained, model, trust_remote_code=trust_remote_code)
    size = getattr(getattr(processor, "image_processor", None), "size", {})
    for edge, limit in (("shortest_edge", min_pixels), ("longest_edge", max_pixels)):
        if limit is not None:
            size[edge] = limit
    low, high = size.get("shortest_edge"), size.get("longest_edge")
    if low and high and low > high:
        what = f"min_pixels = {low} is larger than max_pixels = {high}, with the model's own limits where none is given"
        raise UserError(what, where=f"model {model}", fix="set both")
    return processor


def load_model(model: str, *, dtype: str, device: str, trust_remote_code: bool = False) -> PreTrainedModel:
    """The weights on `device`, in evaluation mode. `dtype` "auto" is bfloat16 on a GPU and float32 elsewhere.

    Weights that are missing are refused; transformers would make them up and go on.
    """
    if dtype != "auto" and dtype not in DTYPES:
        raise UserError(f"no dtype {dtype!r}", where="sampling", fix=f"choose auto, {', '.join(DTYPES)}")
    name = ("bfloat16" if device.startswith("cuda") else "float32") if dtype == "auto" else dtype
    loader = AutoModelForImageTextToText.from_pretrained
    options = {"dtype": DTYPES[name], "trust_remote_code": trust_remote_code, "output_loading_info": True}
    weights, found = _load(loader, model, **options)
    if missing := sorted(found["missing_keys"]):
        what = f"{len(missing)} of its weights are missing, such as {missing[0]}"
        raise UserError(what, where=f"model {model}", fix=WHOLE)
    return weights.to(device).eval()


def default_device() -> str:
    """The GPU where there is one."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def vision_token_ids(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Tokens that stand for pictures or frame them: a completion that held one could not be trained on."""
    named = [getattr(config, field, None) for field in VISION_FIELDS]
    spelled = [tokenizer.get_vocab().get(token) for token in VISION_TOKENS]
    return tuple(sorted({token for token in named + spelled if isinstance(token, int) and token >= 0}))


def model_ends(model: str) -> int | list[int] | None:
    """The end-of-turn tokens that the model's generation config names."""
    try:
        ends: int | list[int] | None = GenerationConfig.from_pretrained(model).eos_token_id
    except OSError:  # the file is optional
        return None
    return ends


def end_token_ids(model_ends: int | list[int] | None, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Tokens that end a turn: those of the generation config, and the tokenizer's own."""
    ends = model_ends if isinstance(model_ends, list) else [model_ends]
    return tuple(sorted({token for token in [*ends, tokenizer.eos_token_id] if isinstance(token, int)}))


def _load(loader: Callable[..., Loaded], model: str, **options: object) -> Loaded:
    try:
        return loader(model, **options)
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(f"cannot be loaded ({reason})", where=f"model {model}", fix=WHOLE) from error
