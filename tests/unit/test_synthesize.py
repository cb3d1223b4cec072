"""The synthesize stage end to end, with the scripted sampler."""

import io
import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from mmupt import problems
from mmupt.config.synthesize import AnswersConfig, FilterConfig, QuestionRollout, SynthesizeConfig
from mmupt.errors import UserError
from mmupt.stages.synthesize import synthesize

SCRIPTED = QuestionRollout(engine="scripted", max_tokens=64)
OPEN = FilterConfig(low=0.0, high=1.0)


def picture(path: Path, shade: int) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (28, 28), (shade, 0, 0)).save(buffer, format="PNG")
    path.write_bytes(buffer.getvalue())


def pictures(folder: Path, number: int = 5) -> str:
    folder.mkdir()
    for shade in range(number):
        picture(folder / f"{shade}.png", shade)
    return str(folder)


def question_set(tmp_path: Path) -> str:
    """Four questions about two pictures."""
    for shade in (1, 2):
        picture(tmp_path / f"{shade}.png", shade)
    rows = [
        {"id": f"s{n}", "question": f"How many dots has row {n}?", "images": [f"{n % 2 + 1}.png"], "answer": str(n)}
        for n in range(4)
    ]
    return jsonl(tmp_path / "sources.jsonl", rows)


def jsonl(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def settings(tmp_path: Path, **changed: object) -> SynthesizeConfig:
    made = {"out": str(tmp_path / "run"), "model": "rule", "chunk_size": 2, "rollout": SCRIPTED, "filter": OPEN}
    return SynthesizeConfig(**(made | changed))


def rows(tmp_path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (tmp_path / "run" / "generations.jsonl").read_text().splitlines()]


def test_pictures_become_a_problem_set_that_can_be_trained_on(tmp_path: Path) -> None:
    result = synthesize(settings(tmp_path, data=pictures(tmp_path / "pictures"), per_image=2))
    made = problems.load(str(tmp_path / "run"), answers=True).problems
    assert result["kept"] == result["written"] == len(made) == 10
    assert made[0].id == "0.png:direct:0" and made[0].answer is None
    assert problems.decode(made[2].images[0]).getpixel((0, 0)) == (1, 0, 0)
    assert made[0].question.startswith("What is ") and " plus " in made[0].question
    assert result == json.loads((tmp_path / "run" / "filters.json").read_text())


def test_every_question_tells_where_it_comes_from(tmp_path: Path) -> None:
    synthesize(settings(tmp_path, data=question_set(tmp_path), mode="in-context"))
    made = problems.load(str(tmp_path / "run")).problems[1]
    row = rows(tmp_path)[1]
    assert made.meta == {
        "source": "sources.jsonl",
        "source_id": "s1",
        "mode": "in-context",
        "example_answer": "none",
        "model": "rule",
        "engine": "scripted",
        "mmupt": made.meta["mmupt"],
        "prompt": row["prompt"],
        "seed": row["seed"],
        "vote_share": row["vote"]["share"],
    }
    assert "How many dots has row 1?" in str(row["prompt"])
    assert str(tmp_path) not in (tmp_path / "run" / "problems.jsonl").read_text()


def test_direct_mode_looks_at_each_picture_once_and_never_at_its_questions(tmp_path: Path) -> None:
    result = synthesize(settings(tmp_path, data=question_set(tmp_path)))
    assert result["sources"] == 2
    assert [row["source"] for row in rows(tmp_path)] == ["s0", "s1"]
    assert not any("dots" in str(row["prompt"]) for row in rows(tmp_path))


def said(tmp_path: Path, *texts: str) -> str:
    """A script that writes these questions for every picture, and answers 5, 5, 5, 6 and nothing."""
    answers = ["\\boxed{5}", "\\boxed{5.0}", "\\boxed{5}", "\\boxed{6}", "hm"]
    row = {"match": "final answer within", "completions": answers}
    return jsonl(tmp_path / "script.jsonl", [row, {"match": "", "completions": list(texts)}])


def test_every_filter_counts_what_it_drops(tmp_path: Path) -> None:
    script = said(
        tmp_path, "How long is AB?", "How  long is ab?", "Prove it.", "", "Which?\n(A) 1", "How tall is CD?", "w " * 70
    )
    data = pictures(tmp_path / "pictures", 3)
    result = synthesize(settings(tmp_path, data=data, model=script, per_image=7, answers=AnswersConfig(samples=5)))
    assert result["written"] == 21
    assert result["dropped"] == {"unparseable": 12, "near-duplicate": 0, "vote-below": 0, "vote-above": 0}
    assert result["unparseable"] == {
        "truncated": 3, "empty": 3, "too-long": 0, "markup": 0, "proof": 3, "box": 0, "choices": 3
    }  # fmt: skip
    assert result["kept"] == 9 and result["share_histogram"] == [0, 0, 0, 0, 0, 9, 0, 0, 0, 0]


def test_a_question_that_repeats_its_source_or_another_is_dropped(tmp_path: Path) -> None:
    script = said(tmp_path, "How many dots has row 1?", "How tall is the tower?", "how tall is the tower")
    data = question_set(tmp_path)
    synthesize(settings(tmp_path, data=data, mode="in-context", model=script, per_image=3, chunk_size=1))
    verdicts = {str(row["id"]): row["verdict"] for row in rows(tmp_path)}
    assert verdicts["s1:in-context:0"] == "near-duplicate" and verdicts["s0:in-context:0"] == "kept"
    assert verdicts["s0:in-context:1"] == "kept" and verdicts["s0:in-context:2"] == "near-duplicate"
    # s2 shows the picture of s0, in a later chunk
    assert [verdicts[f"s2:in-context:{index}"] for index in range(3)] == ["near-duplicate"] * 3


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.3, 0.8, "kept"), (0.7, 0.8, "vote-below"), (0.1, 0.5, "vote-above")]
)
def test_questions_outside_the_band_are_dropped(low: float, high: float, verdict: str, tmp_path: Path) -> None:
    script = said(tmp_path, "How long is AB?", "Find CD.")
    band = FilterConfig(low=low, high=high)
    how = AnswersConfig(samples=5)
    wanted = settings(tmp_path, data=pictures(tmp_path / "p"), model=script, filter=band, answers=how)
    if verdict == "kept":
        assert synthesize(wanted)["kept"] == 5
    else:
        with pytest.raises(UserError, match="none of 5 written questions passed the filters"):
            synthesize(wanted)
    assert Counter(row["verdict"] for row in rows(tmp_path)) == {verdict: 5}
    assert rows(tmp_path)[0]["vote"] == {"label": "5", "share": 0.6, "abstentions": 1, "tie": False}


def test_without_answers_there_is_no_vote_and_no_band(tmp_path: Path) -> None:
    how = AnswersConfig(samples=0)
    strict = FilterConfig(low=0.99, high=1.0)
    result = synthesize(settings(tmp_path, data=pictures(tmp_path / "p"), answers=how, filter=strict))
    assert result["kept"] == 5 and {row["vote"] for row in rows(tmp_path)} == {None}


def test_the_example_answer_is_the_models_own_vote(tmp_path: Path) -> None:
    script = said(tmp_path, "How long is AB?", "Find CD.")
    how = AnswersConfig(samples=5)
    wanted = {"mode": "in-context", "example_answer": "voted", "model": script, "answers": how}
    result = synthesize(settings(tmp_path, data=question_set(tmp_path), **wanted))
    assert {row["example_answer"] for row in rows(tmp_path)} == {"5"}
    assert all("Its answer is: 5" in str(row["prompt"]) for row in rows(tmp_path))
    assert result["example_answer"] == "voted"


def test_a_gold_example_answer_is_said_loudly_and_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = settings(tmp_path, data=question_set(tmp_path), mode="in-context", example_answer="gold")
    assert synthesize(wanted)["example_answer"] == "gold"
    assert "GOLD" in capsys.readouterr().err
    assert [row["example_answer"] for row in rows(tmp_path)] == ["0", "1", "2", "3"]
    assert {problem.meta["example_answer"] for problem in problems.load(str(tmp_path / "run")).problems} == {"gold"}


def test_golds_do_not_reach_the_run_unless_asked_for(tmp_path: Path) -> None:
    data = question_set(tmp_path)
    synthesize(settings(tmp_path, data=data, mode="in-context"))
    first = (tmp_path / "run" / "problems.jsonl").read_bytes()
    Path(data).write_text(Path(data).read_text().replace('"answer": "', '"answer": "garbled '))
    synthesize(settings(tmp_path, data=data, mode="in-context", out=str(tmp_path / "again")))
    assert (tmp_path / "again" / "problems.jsonl").read_bytes() == first


def test_it_stops_once_enough_is_kept(tmp_path: Path) -> None:
    result = synthesize(settings(tmp_path, data=pictures(tmp_path / "p", 9), limit=3))
    assert result["kept"] == 3 and result["written"] == 4
    assert len(problems.load(str(tmp_path / "run")).problems) == 3


FILES = ("generations.jsonl", "problems.jsonl", "filters.json")


@pytest.mark.parametrize("label", ["<|image_pad|>", "5 " * 200])
def test_a_voted_answer_that_would_upset_the_prompt_is_not_shown(label: str, tmp_path: Path) -> None:
    answers = {"match": "final answer within", "completions": [f"\\boxed{{{label}}}"]}
    script = jsonl(tmp_path / "script.jsonl", [answers, {"match": "", "completions": ["How long is AB?"]}])
    how = AnswersConfig(samples=3, max_tokens=512)
    wanted = {"mode": "in-context", "example_answer": "voted", "model": script, "answers": how}
    synthesize(settings(tmp_path, data=question_set(tmp_path), **wanted))
    assert {row["example_answer"] for row in rows(tmp_path)} == {None}


@pytest.mark.parametrize("kept", [0, 1, 5, 6, 11, 12])
def test_a_killed_run_ends_with_the_same_bytes(kept: int, tmp_path: Path) -> None:
    wanted = settings(tmp_path, data=question_set(tmp_path), mode="in-context", per_image=3)
    synthesize(wanted)
    run = tmp_path / "run"
    whole = {name: (run / name).read_bytes() for name in FILES}
    (run / "generations.jsonl").write_bytes(b"".join(whole[FILES[0]].splitlines(keepends=True)[:kept]) + b'{"id":')
    for name in ("problems.jsonl", "filters.json", "done.json"):
        (run / name).unlink()
    synthesize(wanted)
    assert {name: (run / name).read_bytes() for name in FILES} == whole


def test_broken_pictures_are_skipped_named_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = pictures(tmp_path / "p", 2)
    (tmp_path / "p" / "broken.png").write_bytes((tmp_path / "p" / "0.png").read_bytes()[:40])
    (tmp_path / "p" / "zero.png").write_bytes(b"")
    result = synthesize(settings(tmp_path, data=data))
    assert result["kept"] == 2 and [skip["id"] for skip in result["skipped"]] == ["broken.png", "zero.png"]
    assert "2 skipped" in (said := capsys.readouterr().err) and "p/zero.png" in said and "0 bytes" in said


def test_more_pictures_than_there_are_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="count = 6 pictures are asked for, but there are 5; set count to 5 or less"):
        synthesize(settings(tmp_path, data=pictures(tmp_path / "p"), count=6))
    assert not (tmp_path / "run").exists()


BAD: list[tuple[dict[str, object], str]] = [
    ({"mode": "in-context"}, "has no question"),
    ({"data": "tiny:trian"}, "choose from"),
    ({"rollout": QuestionRollout(engine="vlm")}, "did you mean 'vllm'?"),
    ({"data": "nowhere"}, "no such problem set"),
    ({"model": "nowhere", "rollout": QuestionRollout(engine="transformers")}, "no such model"),
]


@pytest.mark.parametrize(("changed", "message"), BAD, ids=[str(list(case[0])) for case in BAD])
def test_a_mistake_is_one_line_and_leaves_nothing(changed: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        synthesize(settings(tmp_path, **({"data": pictures(tmp_path / "p")} | changed)))
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"count": 0},
        {"per_image": 0},
        {"filter": FilterConfig(low=0.9, high=0.1)},
        {"example_answer": "gold"},
        {"mode": "in-context", "example_answer": "voted", "answers": AnswersConfig(samples=0)},
    ],
)
def test_settings_that_cannot_work_are_refused(changed: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(UserError, match=";"):
        settings(tmp_path, **changed)
