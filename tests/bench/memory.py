"""Memory that pictures take in training, beside stock trl 1.16: `python -m tests.bench.memory [--device cuda]`.

The same questions with pictures of 144 image tokens, the same group size and number of updates that share a batch of
rollouts; both sample, score and update for real, one group in one pass. Counted, while the vision tower runs in an
update: bytes of all patches that exist (for trl: those of the whole batch of rollouts, once for each completion) and
bytes of decoded pictures on the host; and how many pictures were decoded in all. Each case is a process of its own.
"""

import gc
import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from PIL import Image, ImageFile
from torch import nn

from mmupt import config, problems, prompts
from mmupt.config.train import TrainConfig
from mmupt.problems.tiny import model_dir
from mmupt.sampling import loading
from mmupt.training.assembly import assemble
from mmupt.training.distributed import Ranks
from mmupt.training.groups import BatchShape
from mmupt.types import ImageRef, Problem
from tests.bench.parts import measured, options
from tests.bench.table import Row, write_table

SIDE = 336
CASES = ((2, 4, 1), (10, 4, 1), (32, 4, 1), (10, 8, 2), (10, 16, 4))
"""(group size, questions of a step, updates of a step)."""
PATCH_VALUES = 3 * 2 * 14 * 14
MIB = 2**20


@dataclass
class Held:
    """What one run held at most while an update saw pictures, in bytes, and the pictures that it decoded."""

    patches: int = 0
    decoded: int = 0
    decodes: int = 0

    def watch(self, visual: nn.Module) -> None:
        """Look at every tensor and picture of the process whenever the vision tower runs with a gradient."""
        load = ImageFile.ImageFile.load

        def counted(image: ImageFile.ImageFile) -> object:
            self.decodes += bool(image.tile)
            return load(image)

        ImageFile.ImageFile.load = counted  # type: ignore[method-assign]
        visual.register_forward_pre_hook(self._look)

    def _look(self, *_: object) -> None:
        if not torch.is_grad_enabled():
            return
        things = gc.get_objects()
        tensors = [one for one in things if issubclass(type(one), torch.Tensor)]
        patches = (one for one in tensors if one.shape[1:] == (PATCH_VALUES,))
        storages = {one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in patches}
        self.patches = max(self.patches, sum(storages.values()))
        plain = sum(one.nbytes for one in tensors if one.dtype == torch.uint8 and one.shape == (3, SIDE, SIDE))
        # Pillow keeps a pixel of RGB in four bytes.
        pillow = sum(4 * SIDE**2 for one in things if issubclass(type(one), Image.Image) and one.__dict__.get("_im"))
        self.decoded = max(self.decoded, plain + pillow)


def main() -> None:
    chosen = options(__doc__)
    if chosen.part:
        which, *shape = json.loads(chosen.part)
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(asdict(RUNS[which](Path(scratch), chosen.device, *shape))))
        return
    rows = [_row(case, chosen.device) for case in CASES]
    write_table(chosen.out / "memory", f"pictures of {SIDE} x {SIDE} in training", rows, chosen.device)


def _row(case: tuple[int, int, int], device: str) -> Row:
    ours, peer = (Held(**measured("memory", device, [which, *case])) for which in RUNS)
    group, asked, updates = case
    return {
        "case": f"G = {group}, {asked} pictures, {updates} updates",
        "mmupt patches MiB": ours.patches / MIB,
        "trl patches MiB": peer.patches / MIB,
        "share of trl's": ours.patches / peer.patches,
        "mmupt decoded MiB": ours.decoded / MIB,
        "trl decoded MiB": peer.decoded / MIB,
        "mmupt decodes": ours.decodes,
        "trl decodes": peer.decodes,
    }


def _ours(scratch: Path, device: str, group: int, asked: int, updates: int) -> Held:
    problems.write(scratch / "asked", _questions(asked))
    values = {
        "out": str(scratch / "run"),
        "data": str(scratch / "asked"),
        "device": device,
        "deepspeed": "none",
        "group_size": group,
        "problems_per_step": asked,
        "updates_per_step": updates,
        "rollout": {"temperature": 1.0, "top_p": 1.0, "max_tokens": 4, "min_pixels": SIDE**2, "max_pixels": SIDE**2},
        "update": {"micro_batch_size": group, "pack_tokens": 1},
    }
    run = config.parse(TrainConfig, values, ())
    shape = BatchShape(asked, group, updates, 1, group)
    trainer = assemble(run, shape, Ranks(0, 1), torch.device(device))
    held = Held()
    held.watch(trainer.engine.model.model.visual)
    trainer.step(0)
    return held


def _trl(scratch: Path, device: str, group: int, asked: int, updates: int) -> Held:
    from datasets import Dataset
    from datasets import Image as Picture
    from trl import GRPOConfig, GRPOTrainer

    texts = [prompts.answer_prompt(question) for question in _questions(asked)]
    rows = [{"prompt": list(text.messages), "image": {"bytes": text.images[0].data}} for text in texts]
    settings = GRPOConfig(
        output_dir=str(scratch),
        use_cpu=device == "cpu",
        bf16=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
        max_steps=updates,
        per_device_train_batch_size=group,
        gradient_accumulation_steps=asked // updates,
        steps_per_generation=asked,
        num_generations=group,
        max_completion_length=4,
        beta=0.01,
    )
    model = loading.load_model(str(model_dir()), dtype="float32", device=device)
    model.config._name_or_path = str(model_dir())
    processor = loading.load_processor(str(model_dir()), min_pixels=SIDE**2, max_pixels=SIDE**2)
    processor.tokenizer.padding_side = "left"
    data = Dataset.from_list(rows).cast_column("image", Picture())
    trainer = GRPOTrainer(model, _by_length, settings, data, processing_class=processor)
    held = Held()
    held.watch(model.model.visual)
    trainer.train()
    return held


def _by_length(completions: list[list[dict[str, str]]], **_: object) -> list[float]:
    return [float(len(message[0]["content"])) for message in completions]


def _questions(count: int) -> list[Problem]:
    return [Problem(str(number), "How many?", (_picture(number),)) for number in range(count)]


def _picture(number: int) -> ImageRef:
    noise = torch.randint(256, (8, 8, 3), generator=torch.Generator().manual_seed(number), dtype=torch.uint8)
    file = io.BytesIO()
    Image.fromarray(noise.numpy()).resize((SIDE, SIDE)).save(file, "PNG")
    return ImageRef(data=file.getvalue())


RUNS: dict[str, Callable[..., Held]] = {"mmupt": _ours, "trl": _trl}


if __name__ == "__main__":
    main()
