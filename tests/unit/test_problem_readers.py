"""The readers: what a good row is, what is skipped, what is refused in one line."""

import io
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from PIL import Image

from mmupt import problems
from mmupt.errors import UserError
from mmupt.problems.rows import Columns, Row, build
from mmupt.prompts import ANSWER_FORMAT, answer_prompt
from mmupt.types import ImageRef, Problem


def png(colour: tuple[int, int, int] = (200, 30, 30), size: tuple[int, int] = (28, 28)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, format="PNG")
    return buffer.getvalue()


def bomb(side: int) -> bytes:
    """A PNG of a few bytes that declares side x side pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def write_jsonl(path: Path, rows: list[object]) -> Path:
    path.write_text("".join(row if isinstance(row, str) else json.dumps(row) + "\n" for row in rows))
    return path


def test_jsonl_rows_become_problems_with_paths_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    row = {
        "id": 7,
        "question": "<image>How many?",
        "images": ["a.png"],
        "choices": [1, "2"],
        "answer": "B",
        "level": "easy",
    }
    (problem,) = problems.load(str(write_jsonl(tmp_path / "set.jsonl", [row, "\n"])), answers=True).problems
    assert (problem.id, problem.question, problem.choices, problem.answer) == ("7", "How many?", ("1", "2"), "B")
    assert problem.images == (ImageRef(path=str(tmp_path / "a.png")),)
    assert problem.meta == {"level": "easy"}


def test_golds_stay_behind_unless_asked_for(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "question": "q", "answer": {"not": "text"}, "solution": "so 5", "meta": {"gold": "5", "skill": "s"}}
    ]
    (problem,) = problems.load(str(write_jsonl(tmp_path / "set.jsonl", rows))).problems
    assert problem.answer is None
    assert problem.meta == {"skill": "s"}


def test_a_set_is_the_same_whatever_its_golds(tmp_path: Path) -> None:
    loaded = []
    for number, answer in enumerate(["5", None, [], {"x": 1}]):
        path = write_jsonl(tmp_path / f"set{number}.jsonl", [{"id": "a", "question": "q", "answer": answer}])
        loaded.append(problems.load(str(path)).problems)
    assert all(other == loaded[0] for other in loaded)


def test_parquet_holds_pictures_as_structs(tmp_path: Path) -> None:
    table = pyarrow.table(
        {
            "id": ["a", "b"],
            "problem": ["<image>First", "Second"],
            "images": [[{"bytes": png(), "path": None}], [{"bytes": png((0, 0, 9)), "path": "x.png"}]],
            "precision": [None, 1.0],
            "answer": ["1", "2.5"],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "set.parquet")
    first, second = problems.load(str(tmp_path / "set.parquet"), answers=True).problems
    assert (first.question, first.precision, second.precision, second.answer) == ("First", None, 1, "2.5")
    assert problems.decode(second.images[0]).getpixel((0, 0)) == (0, 0, 9)


def test_a_folder_of_pictures_has_no_questions(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "b.png").write_bytes(png())
    (tmp_path / "deep" / "a.PNG").write_bytes(png((1, 2, 3)))
    loaded = problems.load(str(tmp_path), questions=False)
    assert [problem.id for problem in loaded.problems] == ["b.png", "deep/a.PNG"]
    with pytest.raises(UserError, match="no question"):
        problems.load(str(tmp_path))


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    made = (
        Problem(
            "a",
            "How long?",
            (ImageRef(data=png()),),
            ("1", "2"),
            "B",
            "text",
            0,
            "cm",
            {"skill": "s", "mode": "direct"},
        ),
        Problem("b", "How wide?", (ImageRef(data=png()), ImageRef(data=png((9, 9, 9)))), shown=""),
    )
    problems.write(tmp_path / "out", made)
    again = problems.load(str(tmp_path / "out"), answers=True).problems
    assert [(p.id, p.question, p.choices, p.answer, p.answer_type, p.precision, p.unit, p.meta) for p in again] == [
        (p.id, p.question, p.choices, p.answer, p.answer_type, p.precision, p.unit, p.meta) for p in made
    ]
    assert [problem.shown for problem in again] == [None, ""]
    assert problems.digest(again) == problems.digest(made)
    assert len(list((tmp_path / "out" / "images").iterdir())) == 2


def test_broken_pictures_are_skipped_and_named_among_good_ones(tmp_path: Path) -> None:
    files = {"good.png": png(), "cut.png": png(size=(200, 200))[:120], "empty.png": b"", "text.png": b"hi"}
    files |= {"bomb.png": bomb(9_000), "big bomb.png": bomb(60_000)}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    rows = [{"id": name, "question": "q", "images": [name]} for name in [*files, "gone.png"]]
    loaded = problems.load(str(write_jsonl(tmp_path / "set.jsonl", rows)))
    assert [problem.id for problem in loaded.problems] == ["good.png"]
    reasons = {skip.id: skip.reason for skip in loaded.skipped}
    assert list(reasons) == ["cut.png", "empty.png", "text.png", "bomb.png", "big bomb.png", "gone.png"]
    assert "0 bytes" in reasons["empty.png"] and "no picture" in reasons["gone.png"]
    assert "9000x9000 pixels" in reasons["bomb.png"] and "too many pixels" in reasons["big bomb.png"]
    assert loaded.skipped[0].where == "set.jsonl row 2"


def test_a_set_of_broken_pictures_only_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"all 1 rows were skipped .*0 bytes"):
        problems.load(str(tmp_path), questions=False)


BAD_SETS: list[tuple[str, list[object], str]] = [
    ("no question", [{"id": "a", "question": "q"}, {"id": "b"}], "set.jsonl row 2: the row has no question"),
    ("blank question", [{"id": "a", "question": "  "}], "row 1: the row has no question"),
    (
        "duplicate ids",
        [{"id": "a", "question": "q"}, {"id": "a", "question": "r"}],
        "row 2: id 'a' was already used by set.jsonl row 1",
    ),
    ("empty", [], "the data set is empty"),
    ("not JSON", ['{"id": \n'], "row 1: not valid JSON"),
    ("deep JSON", ["[" * 200_000 + "\n"], "row 1: not valid JSON"),
    ("not an object", ["[1]\n"], "row 1: a JSON list, not an object"),
    ("question is a list of objects", [{"question": {"a": 1}}], "row 1: question is dict, not text"),
    ("choices are text", [{"question": "q", "choices": "A B"}], "row 1: choices are not a list"),
    ("image is a number", [{"question": "q", "image": 5}], "row 1: an image is neither"),
]


@pytest.mark.parametrize(("rows", "message"), [case[1:] for case in BAD_SETS], ids=[case[0] for case in BAD_SETS])
def test_a_bad_set_is_one_line_that_names_the_row(rows: list[object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        problems.load(str(write_jsonl(tmp_path / "set.jsonl", rows)))
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert ";" in str(caught.value)


def test_unknown_sets_say_what_can_be_given(tmp_path: Path) -> None:
    (tmp_path / "set.csv").write_text("a,b")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    (tmp_path / "bad.jsonl").write_bytes(b"\xff\xfe\x00")
    for spec, message in {
        "tinny:train": "did you mean tiny:train?",
        "tiny:tset": "choose from train, dev, test, hard_train, hard_dev, hard_test",
        "geometry3k:trian": "choose from train, validation, test",
        "hub:owner/name": "hub:ID:SPLIT",
        str(tmp_path / "set.csv"): "no reader for this kind of file",
        str(tmp_path / "gone.jsonl"): "no such problem set",
        str(tmp_path / "bad.parquet"): "not a readable parquet file",
        str(tmp_path / "bad.jsonl"): "cannot be read",
    }.items():
        with pytest.raises(UserError) as caught:
            problems.load(spec)
        assert message in str(caught.value)


def test_lone_surrogates_do_not_stop_a_set_from_being_written(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "set.jsonl", ['{"question": "how \\ud800 many", "note": "\\udfff"}\n'])
    loaded = problems.load(str(path)).problems
    problems.write(tmp_path / "out", loaded)
    assert problems.load(str(tmp_path / "out")).problems[0].question == "how ? many"


def test_a_picture_shared_by_many_rows_is_judged_once(tmp_path: Path) -> None:
    shared = png(size=(1500, 1500))
    rows = [Row(f"row {n}", str(n), {"question": "q", "images": [{"bytes": shared}]}) for n in range(500)]
    assert len(build(rows, source="s", columns=Columns(), answers=False).problems) == 500


def test_a_problem_with_its_own_wording_is_asked_in_it() -> None:
    problem = Problem("a", "How long?", (ImageRef(data=png()),), ("1 cm", "2 cm"), answer="B")

    def asked(problem: Problem) -> list[object]:
        return [turn["content"] for turn in answer_prompt(problem).messages]

    picture = {"type": "image"}
    by_house = f"How long?\n(A) 1 cm\n(B) 2 cm {ANSWER_FORMAT}"
    assert asked(problem) == [[picture, {"type": "text", "text": by_house}]]
    own = replace(problem, shown="How long? A:1 cm B:2 cm")
    assert asked(own) == [[picture, {"type": "text", "text": f"How long? A:1 cm B:2 cm {ANSWER_FORMAT}"}]]
    assert asked(replace(problem, shown="")) == [[picture, {"type": "text", "text": ANSWER_FORMAT}]]
    assert problems.digest([problem]) != problems.digest([own]) == problems.digest([replace(own, meta={"a": 1})])
