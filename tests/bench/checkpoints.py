"""Synthetic checkpoints of any size, one function a kind, for the bench of merging.

The layouts are those of the real writers (which tests/smoke makes checkpoints with); the weights are random, and an
optimiser's moments are left out, since nobody who merges reads them. All kinds hold the same weights, so that all
merged folders must have the same bytes.
"""

import json
import math
import shutil
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file

from mmupt.merging.architecture import architecture
from mmupt.problems.tiny import model_dir

RANKS = 2
TAG = "global_step1"
_LAYERS = 16


@dataclass(frozen=True)
class Model:
    """A made-up model: its folder without weights, and what its weights are."""

    folder: Path
    shapes: Mapping[str, tuple[int, ...]]
    saved: Mapping[str, str]

    def weights(self) -> Iterator[tuple[str, torch.Tensor]]:
        """The same fp32 numbers each time, by name in memory."""
        draws = torch.Generator().manual_seed(0)
        for name, shape in self.shapes.items():
            yield name, torch.empty(shape).normal_(0, 0.02, generator=draws)


def model(folder: Path, gigabytes: float) -> Model:
    """A Qwen2.5-VL of about this size in fp32, of published proportions: embeddings are a tenth of it, untied."""
    folder.mkdir(parents=True)
    for file in model_dir().iterdir():
        if file.suffix != ".safetensors":
            shutil.copy(file, folder / file.name)
    config = json.loads((folder / "config.json").read_text())
    # One layer has about 10.25 H^2 weights, the two embeddings 0.8 of all layers.
    width = 128 * max(1, round(math.sqrt(gigabytes * 1e9 / 4 / (10.25 * _LAYERS * 1.25)) / 128))
    vocabulary = 128 * round(10.25 * _LAYERS * 0.125 * width / 128)
    text = {"hidden_size": width, "intermediate_size": 8 * width // 3 // 8 * 8, "num_hidden_layers": _LAYERS}
    heads = {"num_attention_heads": width // 64, "num_key_value_heads": width // 128}
    rest = {"vocab_size": vocabulary, "tie_word_embeddings": False, "layer_types": ["full_attention"] * _LAYERS}
    config["text_config"] |= {**text, **heads, **rest}
    config["vision_config"]["out_hidden_size"] = width
    config |= {"tie_word_embeddings": False, "dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config))
    return model_at(folder)


def model_at(folder: Path) -> Model:
    """The model that `model` has made there."""
    described = architecture(folder)
    return Model(folder, described.shapes, described.saved_names)


def huggingface(made: Model, out: Path) -> list[str]:
    """Safetensors under published names, with config and tokenizer."""
    shutil.copytree(made.folder, out)
    save_file({made.saved[name]: value for name, value in made.weights()}, out / "model.safetensors")
    return [str(out)]


def lora(made: Model, out: Path) -> list[str]:
    """An adapter on every matrix of the language layers, and its base beside it."""
    huggingface(made, out.with_name(f"{out.name}-base"))
    draws = torch.Generator().manual_seed(1)
    factors = {}
    for name, shape in made.shapes.items():
        if "language_model.layers" in name and len(shape) == 2:
            key = f"base_model.model.{name.removesuffix('.weight')}"
            factors[f"{key}.lora_A.weight"] = torch.empty(16, shape[1]).normal_(generator=draws)
            factors[f"{key}.lora_B.weight"] = torch.empty(shape[0], 16).normal_(0, 0.01, generator=draws)
    out.mkdir()
    save_file(factors, out / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": 16, "lora_alpha": 32, "bias": "none"}
    (out / "adapter_config.json").write_text(json.dumps(settings))
    return [str(out), "--set", f"base={out}-base"]


def zero_2(made: Model, out: Path) -> list[str]:
    """The module in bf16, and one flat fp32 vector cut into one partition a rank."""
    folder = tagged(out)
    weights = dict(made.weights())
    module = OrderedDict((name, value.to(torch.bfloat16)) for name, value in weights.items())
    torch.save(model_states(made, module), folder / "mp_rank_00_model_states.pt")
    flat = torch.cat([value.reshape(-1) for value in weights.values()])
    flat = torch.nn.functional.pad(flat, (0, -len(flat) % (2 * RANKS)))
    for rank, part in enumerate(flat.chunk(RANKS)):
        _save_partition(folder, rank, 2, "single_partition_of_fp32_groups", part.clone())
    return [str(out), "--set", f"base={made.folder}"]


def zero_3(made: Model, out: Path) -> list[str]:
    """Of every parameter one equal share a rank."""
    folder = tagged(out)
    shares: list[list[torch.Tensor]] = [[] for _ in range(RANKS)]
    for _, value in made.weights():
        row = torch.nn.functional.pad(value.reshape(-1), (0, -value.numel() % RANKS))
        for share, part in zip(shares, row.chunk(RANKS), strict=True):
            share.append(part.clone())
    empty = OrderedDict((name, torch.empty(0, dtype=torch.bfloat16)) for name in made.shapes)
    for rank, share in enumerate(shares):
        torch.save(model_states(made, empty), folder / f"zero_pp_rank_{rank}_mp_rank_00_model_states.pt")
        _save_partition(folder, rank, 3, "fp32_flat_groups", torch.cat(share))
        share.clear()
    return [str(out), "--set", f"base={made.folder}"]


KINDS: Mapping[str, Callable[[Model, Path], list[str]]] = {
    "Hugging Face": huggingface,
    "LoRA": lora,
    "ZeRO-2": zero_2,
    "ZeRO-3": zero_3,
}
"""Kind -> a function that writes it at a path and returns the arguments of `mmupt merge`."""


def tagged(out: Path) -> Path:
    (out / TAG).mkdir(parents=True)
    (out / "latest").write_text(TAG)
    return out / TAG


def model_states(made: Model, module: Mapping[str, torch.Tensor]) -> dict[str, object]:
    shapes = [OrderedDict((name, torch.Size(shape)) for name, shape in made.shapes.items())]
    facts = {"dp_world_size": RANKS, "global_steps": 1, "ds_version": "0.19.8", "shared_params": {}}
    frozen = {"frozen_param_shapes": None, "frozen_param_fragments": None, "buffer_names": []}
    return {"module": module, "param_shapes": shapes, **facts, **frozen}


def _save_partition(folder: Path, rank: int, stage: int, key: str, flat: torch.Tensor) -> None:
    content = {"zero_stage": stage, "partition_count": RANKS, key: [flat], "optimizer_state_dict": {"state": {}}}
    file = folder / f"zero_pp_rank_{rank}_mp_rank_00_optim_states.pt"
    torch.save({"optimizer_state_dict": content, "ds_version": "0.19.8"}, file)
