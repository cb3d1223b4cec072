"""MathVista and We-Math: what is read from which files, the official rule's parts, the four-dimensional metrics."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmupt.benchmarks import mathvista, wemath, wemath_metrics
from mmupt.benchmarks.edit_distance import edit_distance
from mmupt.benchmarks.subset import subset
from mmupt.benchmarks.wemath_concepts import DOMAIN_OF, DOMAINS
from mmupt.benchmarks.wemath_options import split_options
from mmupt.errors import UserError
from mmupt.types import Problem

FIXTURES = Path(__file__).parents[1] / "fixtures"
MATHVISTA, WEMATH = FIXTURES / "mathvista" / "testmini.json", FIXTURES / "wemath" / "testmini.json"


def told(problems: Sequence[Problem]) -> list[Problem]:
    return [replace(problem, images=()) for problem in problems]


def with_bytes(rows: list[dict[str, object]], column: str, folder: Path, to: str) -> list[dict[str, object]]:
    return [{**row, to: {"bytes": (folder / str(row[column])).read_bytes(), "path": None}} for row in rows]


def test_mathvista_is_the_same_from_its_json_a_folder_jsonl_and_parquet(tmp_path: Path) -> None:
    rows = json.loads(MATHVISTA.read_text())
    by_json = mathvista.load("testmini", str(MATHVISTA)).problems
    assert [problem.id for problem in by_json] == list(rows)
    assert all(len(problem.images) == 1 for problem in by_json)
    (tmp_path / "data").mkdir()
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows.values()))
    hub = with_bytes(list(rows.values()), "image", MATHVISTA.parent, "decoded_image")
    table = pyarrow.Table.from_pylist(hub)
    assert table.schema.field("precision").type == pyarrow.float64()
    pyarrow.parquet.write_table(table, tmp_path / "data" / "testmini-00000-of-00001.parquet")
    assert told(mathvista.load("testmini", str(MATHVISTA.parent)).problems) == told(by_json)
    assert told(mathvista.load("testmini", str(tmp_path)).problems) == told(by_json)
    assert told(mathvista.load("testmini", str(tmp_path / "rows.jsonl"), pictures=False).problems) == told(by_json)


def test_mathvista_scores_the_same_from_output_files_and_whole_number_precisions(tmp_path: Path) -> None:
    rows = json.loads(MATHVISTA.read_text())
    for row in rows.values():
        row |= {"response": "r", "extraction": "e", "prediction": "p", "true_false": False, "decoded_image": None}
        row["precision"] = None if row["precision"] is None else int(row["precision"])
    (tmp_path / "output.json").write_text(json.dumps(rows))
    told_again = told(mathvista.load("testmini", str(tmp_path / "output.json"), pictures=False).problems)
    assert told_again == told(mathvista.load("testmini", str(MATHVISTA)).problems)


def test_mathvista_tells_all_that_its_authors_break_results_down_by() -> None:
    problems = {problem.id: problem for problem in mathvista.load("testmini", str(MATHVISTA)).problems}
    assert sorted(mathvista.BREAKDOWNS) == sorted(
        ["question_type", "answer_type", "language", "source", "category", "task", "context", "grade", "skills"]
    )
    found = {name: problems["2"].meta[name] for name in mathvista.BREAKDOWNS}
    assert found == {
        "task": "visual question answering",
        "question_type": "free_form",
        "answer_type": "integer",
        "language": "english",
        "source": "MadeUp-A",
        "category": "general-vqa",
        "context": "natural image",
        "grade": "not applicable",
        "skills": ["numeric commonsense", "arithmetic reasoning"],
    }
    assert (problems["10"].precision, problems["2"].unit, problems["6"].answer) == (2, "g", "[2015, 2018]")
    assert (problems["8"].answer, problems["8"].answer_type, problems["8"].meta["answer_type"]) == (
        "B",
        "letter",
        "text",
    )


@pytest.mark.parametrize(
    ("extraction", "id", "answer"),
    [
        ("5.99", "2", "5"),
        ("-0.5", "2", "0"),
        (" 7 ", "2", "7"),
        ("inf", "2", None),
        ("nan", "2", None),
        ("five", "2", None),
        ("2.345", "10", "2.35"),
        ("2", "10", "2.0"),
        ("1e-9", "10", "0.0"),
        ("", "10", None),
        (" [1] ", "6", " [1] "),
        ("(b) or (c)", "3", "140°"),
        ("  D  ", "3", "150°"),
        ("E", "3", "135°"),
        ("None", "4", "No"),
        ("x" * 30_000, "4", None),
    ],
)
def test_the_official_rule_puts_an_answer_into_the_golds_form(extraction: str, id: str, answer: str | None) -> None:
    problems = {problem.id: problem for problem in mathvista.load("testmini", str(MATHVISTA)).problems}
    assert mathvista.official(problems[id], extraction).answer == answer


def test_without_decimals_no_float_is_right_officially() -> None:
    problem = mathvista.load("testmini", str(MATHVISTA)).problems[0]
    assert mathvista.official(problem, "1.2").correct
    assert not mathvista.official(replace(problem, precision=None), "1.2").correct


@given(st.text("ab°é", max_size=9), st.text("ab°é", max_size=9))
def test_the_edit_distance_is_that_of_the_plain_recursion(one: str, other: str) -> None:
    row = list(range(len(other) + 1))
    for at, here in enumerate(one, start=1):
        last, row[0] = row[0], at
        for to, there in enumerate(other, start=1):
            last, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, last + (here != there))
    assert edit_distance(one, other) == edit_distance(other, one) == row[-1]


def test_wemath_is_the_same_from_its_json_a_folder_jsonl_and_parquet(tmp_path: Path) -> None:
    rows = json.loads(WEMATH.read_text())
    by_json = wemath.load("testmini", str(WEMATH)).problems
    assert [problem.id for problem in by_json] == [f"{row['ID']}/{row['key']}" for row in rows]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = pyarrow.Table.from_pylist(with_bytes(rows, "image_path", WEMATH.parent, "image_path"))
    pyarrow.parquet.write_table(table, tmp_path / "testmini.parquet")
    for data in (WEMATH.parent, tmp_path):
        again = wemath.load("testmini", str(data)).problems
        assert told(again) == told(by_json)
        assert all(len(problem.images) == 1 for problem in again)
    assert told(wemath.load("testmini", str(tmp_path / "rows.jsonl"), pictures=False).problems) == told(by_json)


@pytest.mark.parametrize("change", [{"ID": None}, {"key": "4steps_1"}, {"key": "2steps_3"}, {"key": None}])
def test_a_wemath_row_that_names_no_question_is_told(change: dict[str, object], tmp_path: Path) -> None:
    rows = json.loads(WEMATH.read_text())
    (tmp_path / "a.json").write_text(json.dumps([*rows[:2], {**rows[2], **change}]))
    with pytest.raises(UserError, match=r"a\.json row 3: .* names no question; keep .* ID and key"):
        wemath.load("testmini", str(tmp_path / "a.json"))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        (
            "A. 300, 400;B. 400, 300; C. 3, 4.; D. No correct answer",
            ("300, 400", "400, 300", "3, 4.", "No correct answer"),
        ),
        ("A. F;    B. D;    C. B;", ("F", "D", "B")),
        ("A. B; B. C; C. D; D. E; E. No correct answer", ("B", "C", "D", "E", "No correct answer")),
        ("A. x = 1; y = 2; B. x = 2; y = 1", ("x = 1; y = 2", "x = 2; y = 1")),
        ("A. 60cm B. 80cm C. 100cm; D. No correct answer", ("60cm", "80cm", "100cm", "No correct answer")),
        ("A.1, B.2, C.3", ("1", "2", "3")),
        ("A．东；B．西；C．北", ("东", "西", "北")),
        ("A. 36cm ;B 12cm ;C. 24cm", ("36cm", "12cm", "24cm")),
        ("(A) 1; (B) 2", ("1", "2")),
        ("A. From A. to B.; B. From B. to C.", ("From A. to B.", "From B. to C.")),
        ("no letters", ()),
        ("A. alone", ()),
        ("", ()),
    ],
)
def test_options_are_taken_apart_at_their_letters(text: str, options: tuple[str, ...]) -> None:
    assert split_options(text) == options


def test_there_are_12_domains_of_67_concepts() -> None:
    assert (len(DOMAINS), len(DOMAIN_OF)) == (12, 67)
    assert sum(map(len, DOMAINS.values())) == 67


CONCEPTS = ("Area of Squares", "Area of Circles", "Parallel", "Translation", "not in the hierarchy")
WHOLE_SET = [
    (f"{steps}steps_{number}", f"{steps}steps_{part}", CONCEPTS[(number * 3 + at) % 5])
    for steps, numbers in ((2, range(1, 6)), (3, range(1, 5)))
    for number in numbers
    for at, part in enumerate([*range(1, steps + 1), "multi"])
]


def rows_to_problems(rows: list[tuple[str, str, str]], folder: Path) -> tuple[Problem, ...]:
    blank = {"question": "q", "option": "A. 1; B. 2", "answer": "A", "image_path": "none.png"}
    made = [{**blank, "ID": ID, "key": key, "knowledge concept": concept} for ID, key, concept in rows]
    (folder / "made.json").write_text(json.dumps(made))
    return wemath.load("testmini", str(folder / "made.json"), pictures=False).problems


@pytest.fixture(scope="module")
def whole_set(tmp_path_factory: pytest.TempPathFactory) -> tuple[Problem, ...]:
    return rows_to_problems(WHOLE_SET, tmp_path_factory.mktemp("wemath"))


def by_the_paper(kept: dict[tuple[str, str], bool]) -> dict[str, object]:
    """The formulas anew, from a table of verdicts by (ID, key), written without a look at the code."""
    counts = {"IK": 0, "IG": 0, "strict": 0, "loose": 0, "solved": 0, "incomplete": 0}
    one_step: list[tuple[str, bool]] = []
    wholes: dict[str, list[bool]] = {"2": [], "3": []}
    for ID in {ID for ID, _, _ in WHOLE_SET}:
        mine = [(key, concept) for other, key, concept in WHOLE_SET if other == ID]
        present = [key for key, _ in mine if (ID, key) in kept]
        if not present:
            continue
        if len(present) < len(mine):
            counts["incomplete"] += 1
            continue
        parts = [kept[ID, key] for key, _ in mine[:-1]]
        whole = kept[ID, mine[-1][0]]
        one_step += [(concept, kept[ID, key]) for key, concept in mine[:-1]]
        wholes[ID[0]].append(whole)
        counts["IK"] += not whole and False in parts
        counts["IG"] += not whole and False not in parts
        counts["strict"] += whole and False not in parts
        counts["loose"] += whole and True in parts
        counts["solved"] += whole
    total = len(wholes["2"]) + len(wholes["3"])
    found: dict[str, object] = {"incomplete": counts["incomplete"], "N": total}
    if total:
        for mode in ("strict", "loose"):
            rote = counts["solved"] - counts[mode]
            found[mode] = (total - 0.5 * counts["IG"] - rote - counts["IK"]) / total
            found[f"RM {mode}"] = rote / counts["solved"] if counts["solved"] else None
        found["S1"] = sum(right for _, right in one_step) / len(one_step)
        for domain in {DOMAIN_OF[concept] for concept, _ in one_step if concept in DOMAIN_OF}:
            means = []
            for concept in set(CONCEPTS) & set(DOMAINS[domain]) & {name for name, _ in one_step}:
                rights = [right for name, right in one_step if name == concept]
                means.append(sum(rights) / len(rights))
            found[domain] = sum(means) / len(means)
    found |= {f"S{steps}": sum(rights) / len(rights) for steps, rights in wholes.items() if rights}
    return found


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([None, False, True, True]), min_size=len(WHOLE_SET), max_size=len(WHOLE_SET)))
def test_the_metrics_are_the_papers_formulas_on_any_subset(
    whole_set: tuple[Problem, ...], verdicts: list[bool | None]
) -> None:
    chosen = [(problem, right) for problem, right in zip(whole_set, verdicts, strict=True) if right is not None]
    keys = [(ID, key) for (ID, key, _), right in zip(WHOLE_SET, verdicts, strict=True) if right is not None]
    rights = [right for _, right in chosen]
    found = wemath.measure([problem for problem, _ in chosen], rights)
    wanted = by_the_paper(dict(zip(keys, rights, strict=True)))
    assert found.tables["composite problems"] == {"complete": wanted.pop("N"), "incomplete": wanted.pop("incomplete")}
    told: dict[str, object] = {name: score for name, score in found.scores.items() if name != "plain"}
    told |= {domain: table["accuracy"] for domain, table in found.tables["domains"].items()}
    if "strict" in wanted:
        told |= {f"RM {mode}": found.tables["four-dimensional"][mode]["RM"]["rate"] for mode in ("strict", "loose")}
    assert told == {name: pytest.approx(value) for name, value in wanted.items()}
    if rights:
        assert found.scores["plain"] == pytest.approx(sum(rights) / len(rights))


def test_eight_problems_all_wrong_score_zero_and_all_right_one(whole_set: tuple[Problem, ...]) -> None:
    wrong, right = (wemath_metrics.measure(whole_set, [verdict] * len(whole_set)) for verdict in (False, True))
    assert [wrong.scores[name] for name in ("plain", "strict", "loose", "S1", "S2", "S3")] == [0.0] * 6
    assert [right.scores[name] for name in ("plain", "strict", "loose", "S1", "S2", "S3")] == [1.0] * 6
    assert wrong.tables["four-dimensional"]["strict"]["RM"] == {"count": 0, "rate": None}
    assert wrong.tables["four-dimensional"]["strict"]["IK"] == {"count": 9, "rate": 1.0}


def test_template_and_boxed_answers_of_the_same_letters_score_the_same() -> None:
    from mmupt.judges import verdict_of

    for problem in wemath.load("testmini", str(WEMATH)).problems:
        for letter in "ABCDEFG"[: len(problem.choices)]:
            told = [f"<Thought process>: <<A way>>  <Answer>: <<{letter}>>", f"So it is \\boxed{{{letter}}}."]
            for judge in ("boxed", "official"):
                verdicts = [verdict_of(judge, "wemath")(problem, response, False).correct for response in told]
                assert verdicts == [letter == problem.answer] * 2


def test_a_limited_run_asks_composite_problems_whole(whole_set: tuple[Problem, ...]) -> None:
    for limit in range(3, len(whole_set)):
        part = subset(whole_set, limit, wemath.BREAKDOWNS[0], wemath.TOGETHER)
        assert limit - 3 < len(part) <= limit or limit < 7
        told = wemath.measure(part, [True] * len(part))
        assert told.tables["composite problems"]["incomplete"] == 0 and told.scores["strict"] == 1.0
