"""Settings and a model's shape -> bytes on each GPU (or in each process, on a CPU), part by part, each with its sum.

Where the numbers come from:

- weights, gradients and optimiser: what the engines hold, counted tensor by tensor in
  tests/smoke/test_footprint_held.py (DeepSpeed 0.19, ZeRO-1 to 3; Rajbhandari et al., arXiv 1910.02054, figure 1, has
  the same sums);
- activations: the tensors that transformers' Qwen2.5-VL keeps for the backward pass, counted in
  tests/unit/test_footprint.py (the like of Korthikanti et al., arXiv 2205.05198, section 4, for this architecture);
- vLLM: the share of the GPU that it is given.

Kernels' scratch space, fragmentation and CUDA's own context (about a GB) come on top and are not estimated.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mmupt.config.train import TrainConfig
from mmupt.training.model_shape import ModelShape

BUCKET = 500_000_000
"""Weights whose gradients DeepSpeed reduces at once (its reduce_bucket_size, as engine_deepspeed sets it)."""
LIVE = 1_000_000_000
"""Weights that ZeRO-3 holds whole at a time (its stage3_max_live_parameters)."""
PIXELS_OF_A_PATCH = 14 * 14
LOGITS_AT_ONCE = 2**25
"""Logits that are made at a time (`scores`)."""
LOGIT_COPIES = 5
"""Float32 copies of them at the peak: as they are, at the temperature, two for the entropy, one for the gradient."""
SAMPLER_BATCH = 512
"""Completions that transformers decodes at once, where `rollout.batch_size` does not say."""
VLLM_SHARE = 0.5
"""Share of the GPU that a vLLM beside the trainer takes, where `rollout.gpu_memory_utilization` does not say."""


@dataclass(frozen=True)
class Part:
    """One thing that takes memory."""

    what: str
    size: int
    """Bytes."""
    how: str
    """The sum, in words and numbers."""


@dataclass(frozen=True)
class Footprint:
    """Memory of one GPU; what is held while sampling and while updating is held beside `always`."""

    always: tuple[Part, ...]
    updating: tuple[Part, ...]
    sampling: tuple[Part, ...]

    @property
    def while_updating(self) -> int:
        return sum(part.size for part in (*self.always, *self.updating))

    @property
    def while_sampling(self) -> int:
        return sum(part.size for part in (*self.always, *self.sampling))


@dataclass(frozen=True)
class Weights:
    """How many there are, and in how many bytes they are held."""

    all: int
    trained: int
    adapters: int
    """Of these; 0 without LoRA."""
    held: int
    """Bytes of one weight of the model."""
    computed: int
    """Bytes of one number of the forward pass."""


def weights_of(config: TrainConfig, shape: ModelShape, *, on_gpu: bool) -> Weights:
    """Which weights are trained, and how they are held."""
    low = config.dtype == "bfloat16" or (config.dtype == "auto" and on_gpu)
    held = 2 if low and config.deepspeed != "none" else 4
    vision = not config.freeze_vision
    if config.lora is not None:
        adapters = shape.adapter_parameters(config.lora, vision=vision)
        return Weights(shape.parameters + adapters, adapters, adapters, held, 2 if low else 4)
    trained = shape.parameters if vision else shape.language.parameters
    return Weights(shape.parameters, trained, 0, held, 2 if low else 4)


def footprint(
    config: TrainConfig, shape: ModelShape, ranks: int, *, on_gpu: bool, gpu_bytes: int, engine: str
) -> Footprint:
    """`engine`: what samples (vllm, transformers, or anything that takes no memory here)."""
    weights = weights_of(config, shape, on_gpu=on_gpu)
    always = [*_weights(config, weights, ranks), *_reference(config, weights), *_optimiser(config, weights, ranks)]
    updating = [*_gradients(config, weights, ranks), *_passing(config, shape, weights, on_gpu=on_gpu)]
    return Footprint(
        tuple(always),
        tuple(updating),
        tuple(_sampling(config, shape, weights, ranks, engine, gpu_bytes if on_gpu else 0)),
    )


def _weights(config: TrainConfig, weights: Weights, ranks: int) -> list[Part]:
    if config.deepspeed == "zero3":
        return [
            Part("weights", weights.held * weights.all // ranks, f"{_of(weights.held, weights.all)} / {ranks} ranks")
        ]
    return [Part("weights", weights.held * weights.all, _of(weights.held, weights.all))]


def _reference(config: TrainConfig, weights: Weights) -> list[Part]:
    if not config.update.kl_coefficient:
        return []
    if config.lora is not None:
        return [Part("reference policy", 0, "the model without its adapter")]
    return [Part("reference policy", weights.held * weights.all, f"a whole copy: {_of(weights.held, weights.all)}")]


def _optimiser(config: TrainConfig, weights: Weights, ranks: int) -> list[Part]:
    if config.deepspeed == "none":
        return [Part("optimiser", 8 * weights.trained, f"two averages: {_of(8, weights.trained)}")]
    how = f"float32 weights and two averages: {_of(12, weights.trained)} / {ranks} ranks"
    return [Part("optimiser", 12 * weights.trained // ranks, how)]


def _gradients(config: TrainConfig, weights: Weights, ranks: int) -> list[Part]:
    held, trained = weights.held, weights.trained
    if config.deepspeed == "none":
        return [Part("gradients", 4 * trained, _of(4, trained))]
    mine = held * trained // ranks
    shared = Part("gradients", mine, f"{_of(held, trained)} / {ranks} ranks")
    if config.deepspeed == "zero1":
        shared = Part("gradients", held * trained, _of(held, trained))
    bucket = held * min(BUCKET, trained)
    step = 4 * trained // ranks
    if config.deepspeed == "zero3":
        live = held * min(LIVE, weights.all)
        step = 4 * min(LIVE, trained // ranks)
        buffers = Part(
            "buffers of ZeRO", bucket + max(live, step), "gradients to reduce, and weights gathered or stepped"
        )
        return [shared, buffers]
    return [shared, Part("buffers of ZeRO", max(bucket, step), "gradients to reduce, or in float32 for the step")]


def _passing(config: TrainConfig, shape: ModelShape, weights: Weights, *, on_gpu: bool) -> list[Part]:
    """What one pack leaves for its backward pass, at most."""
    by_blocks = on_gpu and config.update.attention != "dense"
    tokens, completion_tokens = pack_limits(config)
    patches = shape.vision.merged * picture_tokens(config, shape, tokens)
    again = config.update.gradient_checkpointing
    kept, layer = activations(
        shape, tokens, patches, weights.computed, checkpointing=again, vision=not config.freeze_vision
    )
    how = "layers' inputs, and one layer at work" if again else "all layers, and one at work"
    logits = min(LOGITS_AT_ONCE, completion_tokens * shape.language.vocabulary)
    scores = (weights.computed + LOGIT_COPIES * 4) * logits
    scores += weights.computed * completion_tokens * shape.language.hidden
    return [
        Part("activations", kept + layer, f"{how}: a pack of {tokens:,} tokens and {patches:,} patches"),
        *([] if by_blocks else [Part("mask", (weights.computed + 1) * tokens**2, f"{tokens:,} x {tokens:,}, dense")]),
        Part("logits", scores, f"{logits:,} at a time, and the states of {completion_tokens:,} tokens"),
    ]


def activations(
    shape: ModelShape, tokens: int, patches: int, number: int, *, checkpointing: bool, vision: bool
) -> tuple[int, int]:
    """Bytes that a pass keeps for its backward pass, and those that the largest layer works with at a time.

    `number`: bytes of one number of the pass; `vision`: whether the vision tower is trained.
    """
    language, tower = shape.language, shape.vision
    layer = tokens * text_bytes(language.hidden, language.intermediate, number)
    block = patches * vision_bytes(tower.hidden, tower.intermediate, number)
    first = patches * tower.patch_values * (4 + number)
    kept = tokens * (4 + number) * language.hidden
    if vision:
        kept += patches * (tower.patch_values * number + (4 + 4 * number) * tower.hidden)
    if checkpointing:
        merger = 2
        seen = patches * tower.hidden * (tower.layers + merger)
        return kept + number * (tokens * language.hidden * language.layers + seen), max(layer, block, first)
    return kept + layer * language.layers + (block * tower.layers if vision else 0), max(block, first)


def text_bytes(hidden: int, intermediate: int, number: int) -> int:
    """What a decoder layer keeps of one token: two norms with their float32 input, normed and scaled values; queries,
    keys and values for every head, what attention gives; gate, its activation, up, and their product."""
    return 2 * (4 + 2 * number) * hidden + 4 * number * hidden + 4 * number * intermediate


def vision_bytes(hidden: int, intermediate: int, number: int) -> int:
    """What a block of the vision tower keeps of one patch: the same, and queries, keys and values before their
    rotation."""
    return text_bytes(hidden, intermediate, number) + 3 * number * hidden


def pack_limits(config: TrainConfig) -> tuple[int, int]:
    """Most tokens of one pack, and most of them that are completions'. One group always goes, however long it is."""
    completions = config.group_size * config.rollout.max_tokens
    prompt = config.max_prompt_tokens or 0
    return max(config.update.pack_tokens, prompt + completions), max(completions, config.update.pack_tokens - prompt)


def picture_tokens(config: TrainConfig, shape: ModelShape, tokens: int) -> int:
    """Most image tokens of a pack: of as many groups with one picture of the largest size as it can hold, with short
    completions."""
    largest = (config.rollout.max_pixels or DEFAULT_PIXELS) // (PIXELS_OF_A_PATCH * shape.vision.merged)
    each = min(largest, config.max_prompt_tokens or largest)
    return tokens // each * each


DEFAULT_PIXELS = 12_845_056
"""max_pixels of the published image processor: 16,384 image tokens."""


def _sampling(
    config: TrainConfig, shape: ModelShape, weights: Weights, ranks: int, engine: str, gpu_bytes: int
) -> list[Part]:
    if engine == "vllm" and gpu_bytes:
        share = config.rollout.gpu_memory_utilization or VLLM_SHARE
        return [Part("vLLM", int(share * gpu_bytes), f"{share:g} of the GPU, weights and cache; asleep while updating")]
    if engine != "transformers":
        return []
    copy = weights.held * weights.all if config.deepspeed == "zero3" else 0
    rows = min(config.rollout.batch_size or SAMPLER_BATCH, config.problems_per_step // ranks * config.rollouts_each)
    longest = (config.max_prompt_tokens or 0) + config.rollout.max_tokens
    cache = weights.computed * rows * longest * shape.language.cache_entries
    how = f"{rows} completions of {longest:,} tokens at most"
    return [*_copied(copy, weights), Part("cache of keys and values", cache, how)]


def _copied(size: int, weights: Weights) -> Sequence[Part]:
    return [Part("weights to sample from", size, f"a whole copy: {_of(weights.held, weights.all)}")] if size else []


def _of(each: int, count: int) -> str:
    return f"{each} bytes x {count:,}"
