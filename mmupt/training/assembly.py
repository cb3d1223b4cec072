"""A configuration -> everything that trains: model, adapters, engine, layout, reference. Nothing is trained or written
here."""

import os
from collections.abc import Callable, Sequence
from functools import partial

import torch
from transformers import PreTrainedModel

from mmupt import console
from mmupt.config.train import TrainConfig, UpdateConfig
from mmupt.errors import UserError
from mmupt.rewards import needs_gold
from mmupt.sampling import loading
from mmupt.sampling.models import resolve_model
from mmupt.training import block_attention, data, repeated, shared_prefix
from mmupt.training.distributed import Ranks
from mmupt.training.engine import Engine
from mmupt.training.engine_plain import PlainEngine
from mmupt.training.groups import BatchShape
from mmupt.training.grpo import Clip
from mmupt.training.policy import Reference, freeze_vision, with_lora
from mmupt.training.sources import engine_name, open_source
from mmupt.training.trainer import Trainer
from mmupt.training.update import Layout, Updater
from mmupt.types import Problem


def prepare_device(config: TrainConfig) -> torch.device:
    """This rank's device, and this process made ready: a fixed number of threads and deterministic kernels make sums
    repeatable."""
    torch.set_num_threads(config.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    cuda = torch.cuda.is_available()
    if not cuda:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # else it warns of what it looked for in vain
    if config.device == "cuda" and not cuda:
        raise UserError("no CUDA device is at hand", where="device", fix="set device to cpu or auto")
    if config.device == "cpu" or not cuda:
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    torch.cuda.set_device(device)
    return device


def assemble(config: TrainConfig, shape: BatchShape, ranks: Ranks, device: torch.device) -> Trainer:
    """The trainer before its first step, with the base model's weights."""
    name = resolve_model(config.model)
    sampled = config.rollout
    processor = loading.load_processor(name, min_pixels=sampled.min_pixels, max_pixels=sampled.max_pixels)
    training_set = data.load(config, processor, answers=needs_gold(config.estimator))
    _same_work_on_all(training_set.problems, config, ranks)
    low = _half(config, device)
    # Without DeepSpeed the weights themselves are what AdamW updates, and stay in float32.
    held = "bfloat16" if low and config.deepspeed != "none" else "float32"
    model = loading.load_model(name, dtype=held, device=str(device))
    layout = _layout(model, config.update)
    if layout is shared_prefix.score and _by_blocks(config.update, device):
        block_attention.install(model)
    policy = model
    if config.freeze_vision:
        freeze_vision(model)
    if config.lora is not None:
        policy = with_lora(model, config.lora, vision=not config.freeze_vision, seed=config.seed)
    if config.update.gradient_checkpointing:
        policy.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        policy.train()
    reference = Reference(policy) if config.update.kl_coefficient else None
    engine = _engine(policy, config, ranks)
    source = open_source(config, engine, processor, ranks, device)
    updater = Updater(
        engine=engine,
        ranks=ranks,
        layout=layout,
        settings=config.update,
        temperature=config.rollout.temperature,
        max_tokens=config.rollout.max_tokens,
        autocast=_autocast(device, low and config.deepspeed == "none"),
        reference=reference,
        clip=Clip(config.update.clip_low, config.update.clip_high, config.update.dual_clip),
    )
    total = data.total_steps(config, len(training_set.problems))
    return Trainer(config, training_set, shape, total, ranks, engine, source, updater, processor)


def _same_work_on_all(problems: Sequence[Problem], config: TrainConfig, ranks: Ranks) -> None:
    """Ranks reduce gradients together: where one sees pictures and another none, they would wait for ever."""
    shared_vision = config.deepspeed == "zero3" or not config.freeze_vision
    with_pictures = sum(bool(problem.images) for problem in problems)
    if ranks.size > 1 and shared_vision and 0 < with_pictures < len(problems):
        fix = "set freeze_vision with deepspeed zero2, or train on one rank, or leave them out"
        raise UserError(
            f"{len(problems) - with_pictures} problems have no picture and the others have", where=config.data, fix=fix
        )


def _half(config: TrainConfig, device: torch.device) -> bool:
    return config.dtype == "bfloat16" or (config.dtype == "auto" and device.type == "cuda")


def _autocast(device: torch.device, enabled: bool) -> Callable[[], torch.autocast]:
    return partial(torch.autocast, device.type, dtype=torch.bfloat16, enabled=enabled)


def _layout(model: PreTrainedModel, settings: UpdateConfig) -> Layout:
    known = model.config.model_type in shared_prefix.MODEL_TYPES
    if settings.layout == "repeated":
        return repeated.score
    if known:
        return shared_prefix.score
    message = f"the shared-prefix layout was not checked with model class {model.config.model_type}"
    if settings.layout == "shared_prefix":
        raise UserError(message, where="update.layout", fix="set update.layout to auto or repeated")
    console.warn(f"{message}: each completion runs behind its own copy of the prompt, which is slower")
    return repeated.score


def _by_blocks(settings: UpdateConfig, device: torch.device) -> bool:
    if settings.attention == "flex" and device.type != "cuda":
        fix = "set update.attention to auto or dense"
        raise UserError("flex attention has no backward pass on a CPU", where="update.attention", fix=fix)
    return device.type == "cuda" and settings.attention != "dense"


def _engine(policy: PreTrainedModel, config: TrainConfig, ranks: Ranks) -> Engine:
    if config.deepspeed == "none":
        if ranks.size > 1:
            raise UserError(
                "plain torch trains in one process", where="deepspeed", fix="set deepspeed to zero2, or ranks to 1"
            )
        return PlainEngine(policy, config.update)
    try:
        from mmupt.training.engine_deepspeed import DeepSpeedEngine
    except ImportError as error:
        fix = "pip install 'mmupt[deepspeed]', or set deepspeed to none"
        raise UserError(f"{error.name} is not installed", where="deepspeed", fix=fix) from error
    sampled_here = engine_name(config) == "transformers"
    return DeepSpeedEngine(policy, config.update, ranks, int(config.deepspeed[-1]), sampled_here=sampled_here)
