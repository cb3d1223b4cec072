"""MathVerse, MATH-Vision and the validation sets: what is read from which files, what is asked, what is measured."""

import json
from dataclasses import replace
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from mmupt.benchmarks import find, geoqa, golds, mathverse, mathvision, mathvision_rule, mmr1, reading
from mmupt.benchmarks.inline_choices import split_choices
from mmupt.errors import UserError
from mmupt.prompts import ANSWER_FORMAT, answer_prompt
from mmupt.types import Problem

FIXTURES = Path(__file__).parents[1] / "fixtures"
RULES = {rule.why: rule for bench in (mathverse, mathvision, geoqa, mmr1) for rule in bench.RULES}


def told(problems: tuple[Problem, ...]) -> list[object]:
    return [(p.id, p.question, p.choices, p.shown, p.answer, len(p.images), {**p.meta, "gold": None}) for p in problems]


@pytest.mark.parametrize("why", RULES)
def test_a_cleaning_rule_does_what_its_example_says_and_nothing_twice(why: str) -> None:
    rule = RULES[why]
    assert rule.apply(rule.before) == rule.after
    assert rule.apply(rule.after) == rule.after


@pytest.mark.parametrize("gold", ["y=-1.5x+3", "x=3 or x=-1", "f(x)=(x+1)^2", "A, B", "No", "[-3, \\infty)", "\\$5"])
def test_golds_that_are_clean_stay_as_they_are(gold: str) -> None:
    assert golds.clean_gold(gold, mathverse.VALUE_RULES) == gold


def test_mathverse_is_the_same_from_json_and_from_parquet(tmp_path: Path) -> None:
    folder = FIXTURES / "mathverse"
    rows = json.loads((folder / "testmini.json").read_text())
    for row in rows:
        file = folder / "images" / row["image"]
        row["image"] = {"bytes": file.read_bytes(), "path": file.name}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "testmini.parquet")
    by_json = mathverse.load("testmini", str(folder)).problems
    assert len(by_json) == 60 == len({problem.id for problem in by_json})
    assert told(by_json) == told(mathverse.load("testmini", str(tmp_path)).problems)
    assert told(by_json) == told(mathverse.load("testmini", str(folder / "testmini.json")).problems)


def test_mathverse_shows_its_own_wording_and_for_vision_only_the_picture_alone() -> None:
    problems = {problem.id: problem for problem in mathverse.load("testmini", str(FIXTURES / "mathverse")).problems}
    dominant, only = problems["1"], problems["5"]
    listed = "Choices:\nA:50°\nB:60°\nC:70°\nD:80°"
    question = "In triangle PQR, angle P = 50.0 and angle Q = 60.0. How large is angle R?"
    assert (dominant.question, dominant.choices) == (question, ("50°", "60°", "70°", "80°"))
    assert (only.question, only.choices, only.shown) == (dominant.question, dominant.choices, "")
    picture, text = answer_prompt(dominant).messages[-1]["content"]
    assert (picture, text["text"]) == ({"type": "image"}, f"{question}\n{listed} {ANSWER_FORMAT}")
    assert answer_prompt(only).messages[-1]["content"] == [picture, {"type": "text", "text": ANSWER_FORMAT}]


def test_mathverse_measures_versions_subfields_and_the_whole() -> None:
    problems = mathverse.load("testmini", str(FIXTURES / "mathverse")).problems[:10]
    correct = [problem.meta["version"] in ("Text Lite", "Vision Only") or problem.id == "6" for problem in problems]
    found = mathverse.measure(problems, correct)
    assert found.scores == {"total": 0.5, "w/o": 0.5}
    assert found.tables["w/o"] == {
        "All": 0.5,
        "Text Dominant": 0.5,
        "Text Lite": 1.0,
        "Vision Dominant": 0.0,
        "Vision Intensive": 0.0,
        "Vision Only": 1.0,
    }
    assert found.tables["subject-subfield"] == {"Plane Geometry-Angle": 0.4, "Plane Geometry-Length": 0.6}


def test_mathvision_is_read_as_its_authors_lay_it_out() -> None:
    folder = FIXTURES / "mathvision"
    problems = {problem.id: problem for problem in mathvision.load("test", str(folder)).problems}
    assert len(problems) == 10 and len(mathvision.load("testmini", str(folder)).problems) == 3
    assert all(len(problem.images) == 1 for problem in problems.values())
    assert problems["8"].choices == ("A", "B", "C", "D", "E")
    assert (problems["3"].precision, problems["8"].precision) == (2, None)
    assert problems["3"].question.endswith("<image1>")
    shown = mathvision.measure(list(problems.values()), [problem.id == "3" for problem in problems.values()])
    assert shown.tables["subject by level"]["counting"] == {"1": 1.0}
    assert shown.tables["subject by level"]["logic"] == {"3": 0.0}


def test_mathvision_keeps_the_encoded_picture_of_the_hub(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (FIXTURES / "mathvision/data/testmini.jsonl").read_text().splitlines()]
    data = (FIXTURES / "mathvision/images/3.jpg").read_bytes()
    rows = [row | {"decoded_image": {"bytes": data, "path": None}} for row in rows]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "testmini-00000-of-00001.parquet")
    assert [problem.images[0].data for problem in mathvision.load("testmini", str(tmp_path)).problems] == [data] * 3


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("Working. The answer is (B).", "b"),
        ("(C)\nbecause it fits", "c"),
        ("\\boxed{3} no, \\boxed{x = 4\\text{ cm}}", "4{cm}"),
        ("So the area is 12.5.", "12.5"),
        ("\\boxed{\\dfrac{1}{2}}", "\\frac{1}{2}"),
        ("7", "7"),
        ("The final answer is 45^\\circ. It is acute.", "45"),
        ("\\boxed{\\text{(C)}}", "c"),
    ],
)
def test_mathvision_answers_are_read_out_by_the_authors_rule(response: str, answer: str) -> None:
    assert mathvision_rule.extracted(response) == answer


def test_mathvision_equality_rounds_to_two_decimals_and_evaluates_nothing() -> None:
    same = mathvision_rule.same
    assert same("\\frac{2}{3}", "0.67") and same("[1,2.001]", "[1, 2]") and same("A", "a")
    assert not same("0.66", "\\frac{2}{3}") and not same("[1,2]", "(1,2)") and not same("", "")
    assert same("20*\\frac{1}{4}", "$20\\frac{1}{4}$") and not same("20.25", "$20\\frac{1}{4}$")
    assert same("6.because", "6") and same("6}and{x", "6") and same("(16:9)", "16:9") and not same("16:9cm", "16:9")
    assert not same("9^9^9^9", "5") and not same("__import__('os')", "5") and not same("e", "2.718")


@pytest.mark.parametrize("name", ["geometry3k", "geoqa", "mmr1"])
def test_validation_sets_show_the_question_without_its_picture_mark(name: str) -> None:
    bench = find(name)
    split = next(iter(bench.SPLITS))
    problems = bench.load(split, str(FIXTURES / name)).problems
    assert len(problems) == 4 and all(len(problem.images) == 1 for problem in problems)
    assert not any("<image>" in problem.question + (problem.shown or "") for problem in problems)
    assert {problem.meta["split"] for problem in problems} == {split}


def test_geometry3k_is_asked_free_form_and_mmr1_as_it_stands() -> None:
    assert all(
        not problem.choices for problem in find("geometry3k").load("test", str(FIXTURES / "geometry3k")).problems
    )
    first = mmr1.load("validation", str(FIXTURES / "mmr1")).problems[0]
    assert (first.choices, first.shown) == (("3", "4", "5"), "How many squares are there?\nA. 3\nB. 4\nC. 5")


@pytest.mark.parametrize(
    ("text", "stem", "choices"),
    [
        ("How long?\nChoices:\nA:1 cm\nB:2 cm", "How long?", ("1 cm", "2 cm")),
        ("How long?\nChoice:\n(A) 1\n(B) 2\n(C) 3", "How long?", ("1", "2", "3")),
        ("Its equation.A. x = 1 B. It cannot be told.", "Its equation.", ("x = 1", "It cannot be told.")),
        ("Point A. lies left. Which is it?\nA. 3\nB. 4", "Point A. lies left. Which is it?", ("3", "4")),
        ("Choices: A:2√3 B:√3", "", ("2√3", "√3")),
        ("The ratio A:2 is given. How long is B?", "The ratio A:2 is given. How long is B?", ()),
        ("Nothing to choose.", "Nothing to choose.", ()),
    ],
)
def test_choices_are_read_out_of_a_question(text: str, stem: str, choices: tuple[str, ...]) -> None:
    assert split_choices(text) == (stem, choices)


def test_pictures_are_not_needed_to_score(tmp_path: Path) -> None:
    text = (FIXTURES / "mathverse/testmini.json").read_text()
    (tmp_path / "testmini.json").write_text(text)
    assert len(mathverse.load("testmini", str(tmp_path), pictures=False).problems) == 60
    with pytest.raises(UserError, match="all 60 rows were skipped"):
        mathverse.load("testmini", str(tmp_path))
    with pytest.raises(UserError, match="no file of the split 'testmini'"):
        mathverse.load("testmini", str(tmp_path / ".."))


def test_mathverse_is_read_from_the_hubs_own_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    from datasets import Dataset, Features, Image, Value

    rows = json.loads((FIXTURES / "mathverse/testmini.json").read_text())[:5]
    for row in rows:
        row["image"] = {"bytes": (FIXTURES / "mathverse/images" / row["image"]).read_bytes(), "path": None}
    text = Value("string")
    metadata = dict.fromkeys(rows[0]["metadata"], text)
    features = Features(dict.fromkeys(rows[0], text) | {"image": Image(), "metadata": metadata})
    (tmp_path / "set").mkdir()
    Dataset.from_list(rows, features=features).to_parquet(tmp_path / "set" / "testmini.parquet")
    layout = [
        f"- config_name: {name}\n  data_files:\n  - split: {name}\n    path: {name}.parquet\n"
        for name in ("testmini", "testmini_text_only")
    ]
    (tmp_path / "set" / "README.md").write_text(f"---\nconfigs:\n{''.join(layout)}---\n")
    source = replace(mathverse.HUB, id=str(tmp_path / "set"))
    found = reading.load(source, "testmini", None, mathverse.mended, pictures=True).problems
    assert told(found) == told(mathverse.load("testmini", str(FIXTURES / "mathverse")).problems[:5])
