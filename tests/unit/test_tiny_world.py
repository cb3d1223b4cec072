"""The small world: golds are computed, splits are disjoint, and what is committed is what the code makes."""

import io
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from mmupt.answers import grade
from mmupt.problems.tiny import data_dir, model_dir
from mmupt.tiny import scenes, teacher
from mmupt.tiny.corpus import Curriculum, Pool, sample_scene, sample_task, split_of
from mmupt.tiny.questions import FAMILIES, ask, families
from mmupt.tiny.sets import SETS, problems
from mmupt.tiny.teach import Teacher, patches

KINDS = list(scenes.MAKERS)


def tasks(count: int, level: str = "easy", seed: int = 0) -> list[tuple[scenes.Scene, object]]:
    rng = random.Random(seed)
    kinds = [kind for kind in KINDS if families(scenes.MAKERS[kind](rng), level)]
    chosen = [sample_scene(kinds[i % len(kinds)], "train", rng) for i in range(count)]
    return [(scene, sample_task(scene, level, rng)) for scene in chosen]


def test_the_world_has_five_skills_in_several_wordings_and_two_levels():
    assert len({family.skill for family in FAMILIES.values()}) >= 5
    assert all(len(set(family.wordings)) >= 3 for family in FAMILIES.values())
    assert {family.level for family in FAMILIES.values()} == {"easy", "hard"}


def test_worked_steps_end_in_the_gold_answer():
    for scene, task in tasks(400) + tasks(100, "hard"):
        if "=" in task.working:
            assert task.working.split("=")[-1] == task.result
        for step in task.working.split():
            left, _, right = step.partition("=")
            if right:
                terms = left.replace("*", " * ").replace("+", " + ").replace("-", " - ").split()
                assert arithmetic(terms) == int(right), (scene, task)


def arithmetic(terms: list[str]) -> int:
    total = int(terms[0])
    for operator, term in zip(terms[1::2], terms[2::2], strict=True):
        total = {"*": total * int(term), "+": total + int(term), "-": total - int(term)}[operator]
    return total


def test_a_clean_answer_is_graded_right_and_choices_hold_the_answer_once():
    rng = random.Random(3)
    for _, task in tasks(300) + tasks(60, "hard"):
        verdict = grade(teacher.answer(task, rng, teacher.CLEAN), task.answer, choices=list(task.choices) or None)
        assert verdict.correct, (task, verdict)
        assert len(set(task.choices)) == len(task.choices)


def test_golds_agree_with_a_count_on_the_picture_itself():
    rng = random.Random(4)
    for _ in range(60):
        scene = sample_scene("bars", "test", rng)
        pixels = np.asarray(scenes.draw(scene, rng)).astype(int)
        ink = np.array(scenes.COLOURS[scene.colour])
        same = (np.abs(pixels[: 3 * scenes.CELL] - ink).sum(-1) == 0).reshape(3 * scenes.CELL, 4, scenes.CELL)
        heights = same.any(-1).sum(0) / scenes.UNIT
        assert heights.tolist() == list(scene.heights)


def test_the_teacher_mixes_its_ways_in_the_stated_shares():
    rng = random.Random(5)
    mixture = teacher.Mixture()
    said = [teacher.answer(task, rng, mixture) for _, task in tasks(4000)]
    quick = [text for text in said if text.startswith(teacher.QUICK)]
    assert abs(len(quick) / len(said) - mixture.quick) < 0.03
    for group in (quick, [text for text in said if not text.startswith(teacher.QUICK)]):
        assert abs(sum("boxed" not in text for text in group) / len(group) - mixture.no_box) < 0.02


def test_hard_questions_are_mostly_guessed_with_the_favourite():
    rng = random.Random(6)
    free = [task for _, task in tasks(3000, "hard") if not task.choices and task.answer != teacher.FAVOURITE]
    said = [teacher.answer(task, rng, teacher.Mixture()) for task in free]
    assert 0.3 < sum(f"{{{teacher.FAVOURITE}}}" in text for text in said) / len(said) < 0.5


def test_no_content_stands_in_two_sets():
    for spec in SETS:
        frame = pd.read_parquet(data_dir() / f"{spec.name}.parquet")
        assert len(frame) == spec.questions and frame.id.is_unique
        assert set(frame.level) == {spec.level}
    frames = {spec.name: pd.read_parquet(data_dir() / f"{spec.name}.parquet") for spec in SETS}
    pictures = {name: {row[0]["bytes"] for row in frame.images} for name, frame in frames.items()}
    names = list(pictures)
    assert all(not pictures[a] & pictures[b] for i, a in enumerate(names) for b in names[i + 1 :])


def test_the_committed_sets_are_what_the_code_makes_from_seed_0():
    taken: set[str] = set()
    for spec in SETS:
        made = list(problems(spec, taken, random.Random(f"{spec.name} 0")))
        frame = pd.read_parquet(data_dir() / f"{spec.name}.parquet")
        for column in ("id", "question", "answer", "skill", "level", "family"):
            assert frame[column].tolist() == [row[column] for row in made]
        for index in (0, len(made) - 1):
            assert np.array_equal(pixels_of(frame.images[index]), pixels_of(made[index]["images"]))


def pixels_of(images) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(images[0]["bytes"])))


def test_the_pool_holds_only_train_contents():
    assert {split_of(scene) for scene in Pool(40, 1).scenes} == {"train"}


def test_the_embedded_model_is_an_ordinary_folder_of_a_few_million_parameters():
    model = AutoModelForImageTextToText.from_pretrained(model_dir())
    assert type(model).__name__ == "Qwen2_5_VLForConditionalGeneration"
    assert 1e6 < sum(p.numel() for p in model.parameters()) < 5e6
    assert model.dtype == torch.bfloat16
    size = sum(file.stat().st_size for file in Path(data_dir()).rglob("*") if file.is_file())
    assert size <= 12 * 2**20


@pytest.fixture(scope="module")
def pupil() -> Teacher:
    model = AutoModelForImageTextToText.from_pretrained(model_dir(), dtype=torch.float32)
    return Teacher(model, AutoProcessor.from_pretrained(model_dir()), Pool(16, 0))


def test_teaching_patches_equal_the_image_processor(pupil: Teacher):
    picture = Image.fromarray(pupil.pool.pixels[0].transpose(1, 2, 0))
    official = pupil.processor.image_processor(images=[picture], return_tensors="pt").pixel_values
    assert torch.allclose(official, patches(pupil.pixels[:1], pupil.processor), atol=1e-6)


def test_the_teaching_loss_equals_the_model_s_own(pupil: Teacher):
    lesson = next(pupil.pool.lessons(Curriculum(0.0, 0.0, 0.0, teacher.Mixture()), 1, 1, random.Random(0)))[0]
    ids, targets = pupil.encode([lesson])
    official = pupil.model(
        input_ids=ids, pixel_values=patches(pupil.pixels[[lesson.picture]], pupil.processor),
        image_grid_thw=torch.tensor([[1, 8, 8]]), mm_token_type_ids=(ids == pupil.model.config.image_token_id).int(),
        labels=torch.cat([torch.full_like(ids[:, :1], -100), targets[:, :-1]], dim=1),
    ).loss  # fmt: skip
    assert torch.allclose(official, pupil.lesson_step([lesson], 1), atol=1e-5)


def test_the_processor_and_chat_template_round_trip_text(pupil: Teacher):
    tokenizer = pupil.processor.tokenizer
    for text in ("How tall is bar P?\n(A) 12\n(B) 7", "Fünf Äpfel, 3.14 – 日本", "Step by step: 2*8=16 \\boxed{16}"):
        assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_every_family_can_be_asked_with_and_without_choices():
    rng = random.Random(8)
    for family in FAMILIES.values():
        kind = next(k for k, make in scenes.MAKERS.items() if isinstance(make(rng), family.scene))
        for _ in range(20):
            scene = sample_scene(kind, "dev", rng)
            free, closed = (ask(scene, family, rng, multiple_choice=form) for form in (False, True))
            assert not free.choices and closed.answer in "ABCD"[: len(closed.choices)]
