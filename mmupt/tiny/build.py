"""`python -m mmupt.tiny.build`: remake the small model and its problem sets from a seed (under an hour on one core).

Everything that was chosen by measurement is a number in this file; docs/tiny.md tells what else was tried.
"""

import argparse
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor

from mmupt import console
from mmupt.rundir import replace_folder
from mmupt.tiny import architecture, scenes, teacher, tokenizer
from mmupt.tiny.corpus import Curriculum, Pool, question_of, sample_scene, sample_task
from mmupt.tiny.questions import describe, families
from mmupt.tiny.sets import write_sets
from mmupt.tiny.teach import CellNaming, Phase, Teacher

VOCABULARY = 720
PICTURES = 8000
LESSON_PICTURES, LESSONS_EACH, SHARDS = 32, 3, 4
CELLS = Phase("name cells", 220, 1.5e-3, 1e-3)
MIXTURE = teacher.Mixture(quick=0.72, careful_wordings=2)
"""Rarely careful, and each careful wording about as likely as each quick one, so that temperature prefers neither."""
COURSES = (
    (Phase("describe", 400, 8e-4, 8e-4), Curriculum(0.8, 0.2, 0.0, teacher.CLEAN)),
    (Phase("work out", 800, 8e-4, 4e-4), Curriculum(0.1, 0.15, 0.1, teacher.CLEAN)),
    (Phase("mixed answers", 250, 4e-4, 4e-5), Curriculum(0.02, 0.2, 0.15, MIXTURE)),
)


def world_text(seed: int) -> Iterator[str]:
    """The text that the vocabulary is trained on."""
    rng = random.Random(f"text {seed}")
    for number in range(4000):
        scene = sample_scene(list(scenes.MAKERS)[number % 4], "train", rng)
        levels = [level for level in ("easy", "hard") if families(scene, level)]
        task = sample_task(scene, rng.choice(levels), rng)
        yield from (question_of(task), teacher.answer(task, rng, teacher.Mixture()), describe(scene))
    for _ in range(500):
        yield "system user assistant Describe"
    for number in range(200):
        yield from [str(number)] * 3


def teach(seed: int, report: Callable[[str], None]) -> tuple[Qwen2_5_VLForConditionalGeneration, Qwen2_5_VLProcessor]:
    """The taught model in float32, and its processor."""
    processor = tokenizer.make_processor(tokenizer.train_tokenizer(world_text(seed), VOCABULARY))
    model = architecture.make_model(processor.tokenizer, seed)
    pupil = Teacher(model, processor, Pool(PICTURES, seed))
    rng = random.Random(f"lessons {seed}")
    naming = CellNaming(pupil)
    pupil.run(CELLS, naming.losses(64, rng), report)
    report(f"cells named right: {naming.accuracy(range(512)):.1%}")
    for phase, plan in COURSES:
        pupil.run(phase, lesson_losses(pupil, plan, rng), report)
    return model, processor


def lesson_losses(pupil: Teacher, plan: Curriculum, rng: random.Random) -> Iterator[Callable[[], Tensor]]:
    """Endless losses over batches of lessons."""
    for lessons in pupil.pool.lessons(plan, LESSON_PICTURES, LESSONS_EACH, rng):
        yield lambda lessons=lessons: pupil.lesson_step(lessons, SHARDS)  # type: ignore[misc]


def save_model(model: Qwen2_5_VLForConditionalGeneration, processor: Qwen2_5_VLProcessor, folder: Path) -> None:
    """Write an ordinary Hugging Face folder in bfloat16, as the large models are published."""
    aside = folder.with_name(folder.name + ".partial")
    shutil.rmtree(aside, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(aside)
    processor.save_pretrained(aside)
    for file in aside.iterdir():
        file.chmod(0o644)
    replace_folder(aside, folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("data/tiny"))
    parser.add_argument("--only-data", action="store_true", help="remake the problem sets and leave the model as it is")
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    write_sets(options.out, options.seed)
    if not options.only_data:
        save_model(*teach(options.seed, console.say), options.out / "model")


if __name__ == "__main__":
    main()
