"""File names -> the kind of checkpoint, the files that hold the weights, and what is missing. Reads nothing itself."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

from mmupt.errors import UserError
from mmupt.training.checkpoint import DEEPSPEED_TAG, State

Kind = Literal["huggingface", "adapter", "deepspeed", "universal", "fsdp", "distributed"]

_OPTIM = re.compile(r"(?:bf16_)?zero_pp_rank_(\d+)_mp_rank_(\d+)_optim_states\.pt")
_MODEL = re.compile(r"(?:zero_pp_rank_(\d+)_)?mp_rank_(\d+)_model_states\.pt")
_FSDP = re.compile(r"(?:(.*)/)?model_world_size_(\d+)_rank_(\d+)\.pt")
_ACCELERATE = re.compile(r"pytorch_model_fsdp(?:_\d+)?_rank(\d+)\.bin")
_STATES = re.compile(r"(?:(.*)/)?[^/]*_(?:model|optim)_states\.pt")
_WHOLE = {
    "Hugging Face folder": re.compile(r"model(-[^/]*)?\.safetensors"),
    "Hugging Face folder, in torch's format": re.compile(r"pytorch_model(-[^/]*)?\.bin"),
    "FSDP, whole weights saved by accelerate": re.compile(r"pytorch_model_fsdp\.bin"),
}
_UNIVERSAL = re.compile(r"zero/[^/]+/fp32\.pt")
_ADAPTER = "adapter_model.safetensors"
_SHOWN = 8
_WANTED = (
    "wanted are DeepSpeed's *_states.pt or zero/*/fp32.pt, model_world_size_N_rank_R.pt, .metadata with *.distcp, "
    "adapter_model.safetensors, model*.safetensors or pytorch_model*.bin"
)


@dataclass(frozen=True)
class Recognised:
    """One checkpoint, understood from its file names."""

    kind: Kind
    label: str
    """The kind in words, for people: "DeepSpeed ZeRO-3, 2 ranks"."""
    model_files: tuple[str, ...]
    """Files that hold weights or the module's states, by rank, relative to the checkpoint."""
    optim_files: tuple[str, ...] = ()
    """DeepSpeed's partitions of the fp32 weights, by rank; of a universal checkpoint one file a weight."""
    part: str = "."
    """The folder of the weights in the checkpoint: verl keeps the trained model in `actor`."""
    side: str = "."
    """The folder in the checkpoint where config and tokenizer are, if it is there."""


def recognise(
    names: Collection[str], state: State | None, where: str, stage_of: Callable[[str], int | None] = lambda name: None
) -> Recognised:
    """The kind of a folder with these files; an unclear or incomplete one is refused with what was seen.

    `stage_of` tells the ZeRO stage of one of DeepSpeed's optimiser files.
    """
    inner = f"{DEEPSPEED_TAG}/"
    if any(name.startswith(inner) and name.endswith("_states.pt") for name in names):
        return _deepspeed([name for name in names if name.startswith(inner)], state, where, stage_of)
    if state is not None and state.kind == "deepspeed":
        raise UserError(
            f"state.json says DeepSpeed, but there are no {inner}*_states.pt files", where=where, fix=_another()
        )
    if weights := tuple(sorted(name for name in names if _UNIVERSAL.fullmatch(name))):
        models = _ordered(_by_rank(_MODEL, names, where))
        return Recognised("universal", f"DeepSpeed universal checkpoint, {len(weights)} weights", models, weights)
    if any(_FSDP.fullmatch(name) for name in names):
        return _fsdp(names, where)
    if any(name.rpartition("/")[2] == ".metadata" for name in names):
        return _distributed(names, where)
    if parts := {match[1] or "" for name in names if (match := _STATES.fullmatch(name))}:
        return _deepspeed(_in_one(parts, names, where), state, where, stage_of)
    if ranks := {int(match[1]): match[0] for name in names if (match := _ACCELERATE.fullmatch(name))}:
        _complete(ranks, range(max(ranks) + 1), "model shards", where)
        return Recognised("fsdp", _fsdp_label(len(ranks)), _ordered(ranks))
    if "adapter_config.json" in names:
        return _adapter(names, where)
    for label, pattern in _WHOLE.items():
        if weights := tuple(sorted(name for name in names if pattern.fullmatch(name))):
            return Recognised("huggingface", label, weights)
    raise UserError(f"is no checkpoint that can be merged: {_seen(names)}", where=where, fix=_WANTED)


def _adapter(names: Collection[str], where: str) -> Recognised:
    if _ADAPTER not in names:
        raise UserError(f"there is an adapter_config.json, but no {_ADAPTER}", where=where, fix=_another())
    return Recognised("adapter", "LoRA adapter", (_ADAPTER,))


def _fsdp(names: Collection[str], where: str) -> Recognised:
    found = [match for name in sorted(names) if (match := _FSDP.fullmatch(name))]
    parts = {match[1] or "." for match in found}
    part = next((each for each in (".", "actor") if each in parts), None)
    if part is None and len(parts) > 1:
        raise UserError(f"holds several models: {', '.join(sorted(parts))}", where=where, fix="name one of them")
    part = part or parts.pop()
    mine = [match for match in found if (match[1] or ".") == part]
    if len(worlds := {match[2] for match in mine}) > 1:
        told = f"files of several world sizes: {' and '.join(sorted(worlds, key=int))}"
        raise UserError(told, where=where, fix="remove the files of another run")
    ranks = {int(match[3]): match[0] for match in mine}
    _complete(ranks, range(int(mine[0][2])), "model shards", where)
    return Recognised("fsdp", _fsdp_label(len(ranks)), _ordered(ranks), part=part, side=f"{part}/huggingface")


def _fsdp_label(ranks: int) -> str:
    return f"FSDP, {ranks} rank{'s' if ranks > 1 else ''}"


def _distributed(names: Collection[str], where: str) -> Recognised:
    parts = {name.rpartition("/")[0] or "." for name in names if name.rpartition("/")[2] == ".metadata"}
    models = sorted(part for part in parts if not part.startswith("optim"))
    if len(models) != 1:
        told = f"holds {len(models)} distributed checkpoints of a model ({', '.join(sorted(parts))})"
        raise UserError(told, where=where, fix="name one of them")
    inner = "" if models[0] == "." else f"{models[0]}/"
    files = tuple(sorted(name for name in names if name.startswith(inner) and name.endswith(".distcp")))
    if not files:
        raise UserError(f"there is a {inner}.metadata, but no *.distcp beside it", where=where, fix=_another())
    label = f"torch distributed checkpoint, {len(files)} file{'s' if len(files) > 1 else ''}"
    return Recognised("distributed", label, files, part=models[0])


def _deepspeed(
    names: Collection[str], state: State | None, where: str, stage_of: Callable[[str], int | None]
) -> Recognised:
    optim = _by_rank(_OPTIM, names, where)
    model = _by_rank(_MODEL, names, where)
    sharded = any(name.rpartition("/")[2].startswith("zero_pp_rank_") for name in model.values())
    stage = state.zero_stage if state is not None else 3 if sharded else _stage(optim, stage_of)
    world = state.world_size if state is not None else max([*optim, *model], default=-1) + 1
    if sharded != (stage == 3):
        raise UserError(f"the files are not those of ZeRO-{stage}, which state.json tells: {_seen(names)}", where=where)
    _complete(model, range(world if sharded else 1), "model states", where)
    if stage > 0:
        _complete(optim, range(world), "optimizer states", where)
    ranks = f", {world} rank{'s' if world > 1 else ''}" if stage > 0 else ""
    return Recognised("deepspeed", f"DeepSpeed ZeRO-{stage}{ranks}", _ordered(model), _ordered(optim) if stage else ())


def _in_one(parts: Collection[str], names: Collection[str], where: str) -> list[str]:
    """The files of the one folder that DeepSpeed has written: accelerate's is called `pytorch_model`."""
    part = "" if "" in parts else min(parts)
    if part and len(parts) > 1:
        told = f"holds several checkpoints of DeepSpeed ({', '.join(sorted(parts))})"
        raise UserError(told, where=where, fix="name one of them")
    return [name for name in names if name.rpartition("/")[0] == part]


def _stage(optim: dict[int, str], stage_of: Callable[[str], int | None]) -> int:
    """2 where the files do not tell: those of ZeRO-1 look the same."""
    return (stage_of(optim[min(optim)]) or 2) if optim else 0


def _by_rank(pattern: re.Pattern[str], names: Collection[str], where: str) -> dict[int, str]:
    found: dict[int, str] = {}
    for name in sorted(names):
        match = pattern.fullmatch(name.rpartition("/")[2])
        if match and int(match[2]) > 0:
            raise UserError(f"{name} belongs to a model-parallel run, which merge does not read", where=where)
        if match and found.setdefault(rank := int(match[1] or 0), name) != name:
            raise UserError(
                f"two files of rank {rank}: {found[rank]} and {name}", where=where, fix="remove the stale one"
            )
    return found


def _complete(found: dict[int, str], ranks: range, what: str, where: str) -> None:
    missing = [rank for rank in ranks if rank not in found]
    if missing:
        told = ", ".join(map(str, missing[:_SHOWN]))
        raise UserError(
            f"the {what} of rank {told} are missing ({len(found)} of {len(ranks)} files)", where=where, fix=_another()
        )
    if extra := sorted(set(found) - set(ranks)):
        raise UserError(
            f"{found[extra[0]]} is beyond the world size of {len(ranks)}",
            where=where,
            fix="remove the files of another run",
        )


def _ordered(found: dict[int, str]) -> tuple[str, ...]:
    return tuple(found[rank] for rank in sorted(found))


def _seen(names: Collection[str]) -> str:
    if not names:
        return "it is empty"
    told = ", ".join(sorted(names)[:_SHOWN])
    return f"seen {told}{', ...' if len(names) > _SHOWN else ''}"


def _another() -> str:
    return "copy the missing files, or merge another step"
