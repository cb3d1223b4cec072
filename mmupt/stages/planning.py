"""What a training will do, take and write, told before it: for `--dry-run`. Nothing is started, written or downloaded.

The sums are in `training.geometry`, `training.footprint` and `training.storage`; here they are put together and shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from mmupt import console, launch
from mmupt.config.train import TrainConfig
from mmupt.environment.gpus import smallest_memory, visible_gpus
from mmupt.problems.counting import count
from mmupt.stages.train import check, ranks_here
from mmupt.training.footprint import Footprint, Part, Weights, footprint, weights_of
from mmupt.training.geometry import Geometry, Length, geometry, length
from mmupt.training.model_shape import ModelShape, find_shape
from mmupt.training.storage import checkpoint_bytes, checkpoints_kept, on_host
from mmupt.types import JsonValue

GPU_BYTES = 80_000_000_000
"""Taken for a GPU's memory where none is at hand to be asked."""
MACHINES = 2
"""Machines of the launch command for several."""


@dataclass(frozen=True)
class Memory:
    """What a model of known shape takes."""

    weights: Weights
    device: Footprint
    """Of one GPU; of one process where there is none."""
    host: tuple[Part, ...]
    """Of the machine, beside its GPUs'."""
    checkpoint: int
    """Bytes of one checkpoint."""


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that a dry run tells of one training."""

    config: TrainConfig
    ranks: int
    on_gpu: bool
    gpu_bytes: int
    step: Geometry
    run: Length
    memory: Memory | None
    """None for a model whose shape is not known here."""
    commands: tuple[tuple[str, str], ...]
    """Where to type it, and the command."""


def plan_training(
    config: TrainConfig, words: Sequence[str], *, in_pipeline: bool = False, model_is_there: bool = True
) -> TrainingPlan:
    """`words`: the arguments of `mmupt` that start this training. A model that is yet to be made has no shape."""
    ranks = ranks_here(config)
    step = geometry(config, check(config, ranks))
    run = length(config, count(config.data))
    on_gpu = config.device == "cuda" or (config.device == "auto" and visible_gpus() > 0)
    gpu_bytes = (smallest_memory() if on_gpu else None) or GPU_BYTES
    shape = find_shape(config.model) if model_is_there else None
    memory = None if shape is None else _memory(config, shape, ranks, step, on_gpu, gpu_bytes)
    return TrainingPlan(
        config, ranks, on_gpu, gpu_bytes, step, run, memory, tuple(_commands(words, ranks, in_pipeline))
    )


def show_training(plan: TrainingPlan, title: str = "training", *, aside: bool = False) -> None:
    """Tables; `aside` from a result."""
    console.table(title, ["", ""], _numbers(plan), aside=aside)
    memory = plan.memory
    if memory is not None:
        where = "memory of each GPU" if plan.on_gpu else "memory of each process"
        console.table(f"{where}, at most", ["", "GB", ""], _device_rows(plan, memory.device), aside=aside)
        host = [_row(part) for part in memory.host]
        console.table("memory of the machine beside it, at most", ["", "GB", ""], host, aside=aside)
        console.table("disk", ["", "GB", ""], _disk_rows(plan, memory), aside=aside)
    console.table("commands", ["where", "command"], [list(pair) for pair in plan.commands], aside=aside)


def described(plan: TrainingPlan) -> dict[str, JsonValue]:
    """The same for programs."""
    step, run, memory = plan.step, plan.run, plan.memory
    told: dict[str, JsonValue] = {
        "ranks": plan.ranks,
        "rollouts_per_step": step.rollouts,
        "updates_per_step": step.updates,
        "completions_per_update": step.completions_per_update,
        "micro_batches_per_update": step.micro_batches,
        "tokens_per_step": step.tokens,
        "steps": run.steps,
        "steps_per_epoch": run.steps_per_epoch,
    }
    if memory is not None:
        told |= {
            "device_bytes_updating": memory.device.while_updating,
            "device_bytes_sampling": memory.device.while_sampling,
            "host_bytes": sum(part.size for part in memory.host),
            "checkpoint_bytes": memory.checkpoint,
        }
    return told


def _memory(config: TrainConfig, shape: ModelShape, ranks: int, step: Geometry, on_gpu: bool, gpu_bytes: int) -> Memory:
    weights = weights_of(config, shape, on_gpu=on_gpu)
    engine = sampling_engine(config, on_gpu=on_gpu)
    device = footprint(config, shape, ranks, on_gpu=on_gpu, gpu_bytes=gpu_bytes, engine=engine)
    host = on_host(config, weights, step, ranks, on_gpu=on_gpu, vllm=engine == "vllm")
    return Memory(weights, device, tuple(host), checkpoint_bytes(config, weights))


def sampling_engine(config: TrainConfig, *, on_gpu: bool) -> str:
    """What samples beside the trainer; "server" for one that takes no memory here."""
    if config.rollout.base_url is not None:
        return "server"
    if config.rollout.engine == "auto":
        return "vllm" if on_gpu else "transformers"
    return config.rollout.engine


def _commands(words: Sequence[str], ranks: int, in_pipeline: bool) -> list[tuple[str, str]]:
    one = "started by the pipeline itself" if in_pipeline else f"mmupt {launch.shown(words)}"
    several = launch.World(ranks, MACHINES, 0, "HOST")
    found = [("one machine", one)]
    if ranks > 1 and not in_pipeline:
        found.append(("the same", launch.shown(launch.command(words, launch.World(processes=ranks)))))
    if ranks > 1:
        found.append((f"machine 0 of {MACHINES}", launch.shown(launch.command(words, several))))
        found.append((f"machine 1 of {MACHINES}", "the same with --node-rank=1"))
    return found


def _numbers(plan: TrainingPlan) -> list[list[object]]:
    config, step, per_update = plan.config, plan.step, plan.config.problems_per_step // plan.config.updates_per_step
    each, group = config.rollouts_each, config.group_size
    prompt, completion = config.max_prompt_tokens or 0, config.rollout.max_tokens
    return [
        ["model", config.model + ("" if plan.memory is None else f": {_trained(plan.memory.weights)}")],
        ["ranks", f"{plan.ranks}, {'plain torch' if config.deepspeed == 'none' else config.deepspeed}"],
        ["rollouts of a step", f"{step.rollouts:,} ({config.problems_per_step:,} problems x {each})"],
        [
            "updates of a step",
            f"{step.updates}, of {step.completions_per_update:,} completions ({per_update:,} problems x {group})",
        ],
        ["of each rank", f"{step.prompts_per_rank:,} problems a step, {step.groups_per_rank:,} groups an update"],
        ["micro-batches of an update", f"{step.micro_batches:,}, of {config.update.micro_batch_size} completions"],
        [
            "tokens of a step",
            f"at most {step.tokens:,}: {config.problems_per_step:,} x ({prompt:,} + {group} x {completion:,})",
        ],
        ["with a prompt for each", f"at most {step.tokens_unshared:,}"],
        ["steps", _steps(config, plan.run)],
    ]


def _steps(config: TrainConfig, run: Length) -> str:
    if run.problems is None:
        told = f"{config.epochs} epochs" if run.steps is None else f"{run.steps:,}"
        return f"{told}; how many problems {config.data} has is not known here"
    return f"{run.steps:,} ({run.steps_per_epoch:,} an epoch, {run.problems:,} problems)"


def _trained(weights: Weights) -> str:
    trained = "all" if weights.trained == weights.all else f"{weights.trained:,}"
    return f"{weights.all:,} weights, {trained} trained"


def _row(part: Part) -> list[object]:
    return [part.what, _gb(part.size), part.how]


def _device_rows(plan: TrainingPlan, device: Footprint) -> list[list[object]]:
    rows = [_row(part) for part in (*device.always, *device.updating)]
    rows.append(["while updating", _gb(device.while_updating), _against(plan, device.while_updating)])
    rows += [_row(part) for part in device.sampling]
    rows.append(["while sampling", _gb(device.while_sampling), _against(plan, device.while_sampling)])
    return rows


def _against(plan: TrainingPlan, size: int) -> str:
    if not plan.on_gpu:
        return ""
    told = f"{_gb(plan.gpu_bytes):.0f} GB"
    return f"fits {told}" if size <= plan.gpu_bytes else f"does not fit {told}"


def _disk_rows(plan: TrainingPlan, memory: Memory) -> list[list[object]]:
    kept = checkpoints_kept(plan.config, plan.run)
    one: list[object] = ["one checkpoint", _gb(memory.checkpoint), ""]
    if kept is None:
        return [one, ["all checkpoints", "all", "save.total_limit is null"]]
    return [one, ["all checkpoints", _gb(kept * memory.checkpoint), f"{kept} at most, the one being written included"]]


def _gb(size: int) -> float:
    return size / 1e9
