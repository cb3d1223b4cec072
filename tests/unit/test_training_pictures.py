"""A step decodes each of its pictures once, and holds patches of one pack only, whatever its numbers are."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from PIL import ImageFile
from torch import nn

from mmupt.sampling.encode import encode_all
from mmupt.sampling.pixels import Gallery, Patches
from mmupt.training.assembly import assemble
from mmupt.training.data import prompt_of
from mmupt.training.distributed import Ranks
from mmupt.training.groups import BatchShape
from mmupt.training.order import step_indices
from mmupt.training.trainer import Trainer
from tests.live_tensors import tensors
from tests.training_parts import processor, settings

CPU = torch.device("cpu")


@dataclass
class Decodes:
    """Counts pictures whose pixels Pillow reads, wherever in the process that happens."""

    count: int = 0

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> "Decodes":
        load = ImageFile.ImageFile.load

        def counted(image: ImageFile.ImageFile) -> object:
            self.count += bool(image.tile)
            return load(image)

        monkeypatch.setattr(ImageFile.ImageFile, "load", counted)
        return self


@dataclass
class Alive:
    """Bytes of patches that exist while the vision tower runs for an update, pass by pass."""

    seen: list[int] = field(default_factory=list)

    def watch(self, model: nn.Module) -> "Alive":
        width = model.config.vision_config.patch_size**2 * 3 * 2

        def count(_: nn.Module, __: tuple[torch.Tensor, ...]) -> None:
            patches = [one for one in tensors() if one.shape[1:] == (width,)]
            if torch.is_grad_enabled():
                self.seen.append(sum({one.data_ptr(): one.nbytes for one in patches}.values()))

        model.model.visual.register_forward_pre_hook(count)
        return self


def trainer(folder: Path, group: int, problems: int, updates: int) -> Trainer:
    sets = [f"group_size={group}", f"problems_per_step={problems}", f"updates_per_step={updates}"]
    config = settings(folder, *sets, "update.micro_batch_size=1", "update.pack_tokens=1", "rollout.max_tokens=4")
    return assemble(config, BatchShape(problems, group, updates, 1, 1), Ranks(0, 1), CPU)


@pytest.mark.parametrize(("group", "problems", "updates"), [(2, 4, 1), (10, 4, 1), (32, 4, 1), (4, 16, 4)])
def test_pictures_are_decoded_once_and_seen_by_one_pack_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int, problems: int, updates: int
) -> None:
    work = trainer(tmp_path / "run", group, problems, updates)
    asked = [work.data.problems[at] for at in step_indices(0, len(work.data.problems), 0, problems)]
    decodes, alive = Decodes().watch(monkeypatch), Alive().watch(work.engine.model)
    work.step(0)
    assert decodes.count == len({ref for problem in asked for ref in problem.images})
    one_picture = 8 * 8 * 3 * 2 * 14 * 14 * 4
    assert alive.seen
    assert set(alive.seen) == {one_picture}


def test_a_gallery_holds_an_eighth_of_the_patches_and_each_picture_once(tmp_path: Path) -> None:
    work = trainer(tmp_path / "run", 2, 4, 1)
    prompts = [prompt_of(problem, work.config) for problem in work.data.problems[:4]]
    gallery = Gallery(processor())
    encoded = [one for _ in range(3) for one in encode_all(processor(), prompts, gallery)]
    assert (gallery.decoded, gallery.nbytes) == (0, 0)
    made = [one.pictures.on(CPU) for one in encoded if one.pictures is not None]
    distinct = len({ref for prompt in prompts for ref in prompt.images})
    assert gallery.decoded == distinct
    assert gallery.nbytes == distinct * 112 * 112 * 3
    assert gallery.nbytes * 8 == sum(patches.values.nbytes for patches in made) // 12 * distinct


def test_patches_are_on_the_device_that_asks() -> None:
    found = Patches(torch.zeros(4, 1176), torch.ones(1, 3)).on(torch.device("meta"))
    assert (found.values.device.type, found.grid.device.type) == ("meta", "meta")
