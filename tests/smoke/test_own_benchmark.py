"""docs/benchmarks.md, followed to the letter: a benchmark of twenty rows, made, proven and asked."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.command import mmupt, one_line

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


def followed(folder: Path) -> list[str]:
    """Save the page's two files in the folder; returns the page's commands."""
    text = PAGE.read_text(encoding="utf-8")
    makes, bench = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (commands,) = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    (folder / "make_rows.py").write_text(makes)
    (folder / "squares.py").write_text(bench)
    return [line for line in commands.splitlines() if line]


def made(folder: Path, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=folder, check=True, text=True, capture_output=True)


def scores(folder: Path) -> dict[str, object]:
    return json.loads((folder / "results.json").read_text())


def test_the_page_makes_a_benchmark_of_twenty_rows(tmp_path: Path) -> None:
    for command in followed(tmp_path):
        program, *arguments = shlex.split(command)
        done = mmupt(*arguments, cwd=tmp_path) if program == "mmupt" else made(tmp_path, arguments)
        assert done.returncode == 0, done.stderr
    golds, asked = scores(tmp_path / "runs/golds"), scores(tmp_path / "runs/squares")
    assert (golds["benchmark"], golds["n"], golds["scores"]) == ("squares", 20, {"accuracy": 1.0})
    assert {name: each["n"] for name, each in golds["breakdowns"]["colour"].items()} == {"red": 10, "blue": 10}
    assert (asked["n"], asked["provenance"]["skipped"]) == (20, [])
    rows = [json.loads(line) for line in (tmp_path / "runs/squares/samples.jsonl").read_text().splitlines()]
    assert asked["scores"]["accuracy"] == sum(row["verdict"] == "correct" for row in rows) / 20
    assert [row["gold"] for row in rows[:4]] == ["1", "2", "3", "B"]


def test_a_scripted_model_scores_what_its_script_says(tmp_path: Path) -> None:
    make, *_ = followed(tmp_path)
    made(tmp_path, shlex.split(make)[1:])
    (tmp_path / "script.jsonl").write_text(json.dumps({"match": "", "completions": ["It is \\boxed{2}."]}) + "\n")
    sampled = ("--model", "script.jsonl", "--engine", "scripted", "--out", "runs/one")
    done = mmupt("eval", "--bench", "./squares.py,tiny", "--limit", "20", *sampled, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = scores(tmp_path / "runs/one/squares")
    assert found["scores"]["accuracy"] == 0.15
    again = mmupt("eval", "--rescore", "runs/one", "--bench", "./squares.py", "--out", "runs/again", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert scores(tmp_path / "runs/again")["scores"] == found["scores"]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("gone.py", None, "no such benchmark file"),
        ("broken.py", "1 / 0", "cannot be run (ZeroDivisionError: division by zero)"),
        ("empty.py", "SPLITS = {}", "does not define BREAKDOWNS"),
        ("tiny.py", "", "mmupt has a benchmark 'tiny' already"),
    ],
)
def test_a_bad_benchmark_file_is_one_line(name: str, content: str | None, told: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_text(content)
    done = mmupt("eval", "--bench", f"./{name}", "--out", "run", cwd=tmp_path)
    assert (done.returncode, told in one_line(done.stderr)) == (2, True), done.stderr
    assert not (tmp_path / "run").exists()
