"""What a user may do wrong, through the real command line: one line, exit code 2, and nothing left half."""

import json
import shutil
from pathlib import Path

import pytest

from mmupt import problems
from mmupt.problems.tiny import model_dir
from tests.bad_pictures import BAD, ODD, write_pictures, write_rows
from tests.house.command import mmupt
from tests.kills import fingerprint
from tests.troubles import STOPPED, interrupted, with_room_for

SCRIPTED = ("--set", "rollout.engine=scripted", "--model", "rule")
OPEN = ("--set", "filter.low=0.0", "--set", "filter.high=1.0")
TRAIN = ("--deepspeed", "none", "--set", "problems_per_step=4", "--set", "updates_per_step=1")


def refused(*arguments: str, cwd: Path) -> str:
    """The one line that a refused command says, beside warnings."""
    done = mmupt(*arguments, cwd=cwd)
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert len(errors) == 1 and errors[0].startswith("error: "), done.stderr
    return errors[0]


@pytest.mark.parametrize("verb", ["synthesize", "train", "eval", "merge"])
def test_a_missing_model_folder(verb: str, tmp_path: Path):
    named = ["nowhere"] if verb == "merge" else ["--model", "nowhere"]
    assert "nowhere" in refused(verb, *named, "--out", "run", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["synthesize", "train", "eval", "merge", "run"])
def test_an_unknown_key_in_a_recipe_and_on_the_command_line(verb: str, tmp_path: Path):
    (tmp_path / "recipe.toml").write_text('oute = "run"\n')
    said = refused(verb, "recipe.toml", cwd=tmp_path)
    assert said == "error: recipe.toml: unknown key 'oute'; did you mean 'out'?"
    first = ["tiny"] if verb == "run" else []
    assert "--set oute=1: unknown key 'oute'; did you mean 'out'?" in refused(
        verb, *first, "--set", "oute=1", cwd=tmp_path
    )
    assert [file.name for file in tmp_path.iterdir()] == ["recipe.toml"]


def test_more_pictures_than_there_are(tmp_path: Path):
    (tmp_path / "recipe.toml").write_text('out = "run"\ndata = "tiny:train"\ncount = 99999\n')
    assert "count = 99999 pictures are asked for, but there are 600" in refused(
        "synthesize", "recipe.toml", cwd=tmp_path
    )
    assert not (tmp_path / "run").exists()


def test_bad_pictures_are_skipped_counted_and_named_and_odd_ones_converted(tmp_path: Path):
    write_pictures(tmp_path / "pictures")
    done = mmupt("synthesize", "--data", "pictures", *SCRIPTED, *OPEN, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "pictures: 3 skipped" in done.stderr and all(name in done.stderr for name in BAD)
    told = json.loads((tmp_path / "run/filters.json").read_text())
    assert tuple(skip["id"] for skip in told["skipped"]) == BAD
    kept = {problem.meta["source_id"]: problem.images[0] for problem in problems.load(str(tmp_path / "run")).problems}
    assert sorted(kept) == sorted([*ODD, *(f"good{number}.png" for number in range(4))])
    for name, colour in ODD.items():
        assert Path(str(kept[name].path)).read_bytes()[24:26] == b"\x08\x02"  # 8 bits, RGB
        found = problems.decode(kept[name]).getpixel((28, 28))
        assert max(abs(a - b) for a, b in zip(found, colour, strict=True)) <= 2, name


ROWS: dict[str, tuple[list[dict[str, object]], str]] = {
    "no-question": ([{"question": "x?", "answer": "1"}, {"answer": "2"}], "row 2: the row has no question"),
    "same-id": ([{"id": "a", "question": "x?", "answer": "1"}] * 2, "row 2: id 'a' was already used by"),
    "empty": ([], "the data set is empty"),
    "no-picture": ([{"question": "x?", "images": ["gone.png"], "answer": "1"}], "all 1 rows were skipped"),
}


@pytest.mark.parametrize("verb", ["synthesize", "train", "eval"])
@pytest.mark.parametrize("fault", list(ROWS))
def test_a_data_set_that_cannot_be_used(fault: str, verb: str, tmp_path: Path):
    rows, said = ROWS[fault]
    write_rows(tmp_path / "data.jsonl", rows)
    how = {"synthesize": ("--mode", "in-context", *SCRIPTED), "train": TRAIN, "eval": SCRIPTED}[verb]
    assert said in refused(verb, *how, "--set", "data=data.jsonl", "--out", "run", cwd=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["data.jsonl"]


def test_a_data_set_smaller_than_one_batch(tmp_path: Path):
    write_rows(tmp_path / "data.jsonl", [{"question": f"What is {n}?"} for n in range(3)])
    said = refused("train", *TRAIN, "--data", "data.jsonl", "--out", "run", cwd=tmp_path)
    assert "3 problems are fewer than one step needs" in said and "set problems_per_step to 3 or less" in said
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("verb", ["synthesize", "train", "eval", "run"])
def test_an_output_folder_that_cannot_be_written(verb: str, tmp_path: Path):
    write_rows(
        tmp_path / "data.jsonl", [{"question": f"What is {n}?", "answer": "1", "images": ["p.png"]} for n in range(4)]
    )
    write_pictures(tmp_path / "p")
    (tmp_path / "p/good1.png").rename(tmp_path / "p.png")
    (tmp_path / "file").write_text("mine")
    data = ("--set", "data=data.jsonl")
    how = {"synthesize": (*data, *SCRIPTED), "train": (*data, *TRAIN), "eval": (*data, *SCRIPTED), "run": ("tiny",)}[
        verb
    ]
    # The second is closed to root as well, unlike a folder without the write bit.
    for out in ("file/run", "/proc/self/run"):
        assert refused(verb, *how, "--out", out, cwd=tmp_path).startswith(f"error: {out}: cannot be")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_models_folder_as_output_stays_as_it_is(tmp_path: Path):
    shutil.copytree(model_dir(), tmp_path / "model")
    before = fingerprint(tmp_path)
    said = refused("eval", *SCRIPTED, "--limit", "4", "--out", "model", cwd=tmp_path)
    assert "holds a config.json that is no run's" in said
    assert fingerprint(tmp_path) == before


def test_an_engine_that_does_not_start_leaves_nothing_in_the_way(tmp_path: Path):
    scored = ("eval", "--set", "rollout.engine=scripted", "--limit", "4", "--out", "run")
    assert "script.jsonl: no such script" in refused(*scored, "--model", "script.jsonl", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert mmupt(*scored, "--model", "rule", cwd=tmp_path).returncode == 0


COMMANDS = {
    "synthesize": ("synthesize", "--set", "count=40", *SCRIPTED, *OPEN, "--set", "chunk_size=4", "--out", "run"),
    "eval": ("eval", "--limit", "40", *SCRIPTED, "--set", "chunk_size=4", "--out", "run"),
}


@pytest.mark.parametrize("stage", list(COMMANDS))
def test_a_full_disk_and_a_changed_setting_and_then_the_same_bytes(stage: str, tmp_path: Path):
    command = COMMANDS[stage]
    assert mmupt(*command, cwd=tmp_path).returncode == 0
    undisturbed = fingerprint(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    assert with_room_for(100, command, tmp_path) == (
        "error: run/config.json: the disk is full; free some space, then start the same command again"
    )
    assert list(tmp_path.iterdir()) == []
    log = {"synthesize": "generations.jsonl", "eval": "samples.jsonl"}[stage]
    assert f"run/{log}: the disk is full" in with_room_for(8_000, command, tmp_path)
    assert 0 < len((tmp_path / "run" / log).read_text().splitlines()) < 40
    said = refused(*command, "--set", "rollout.top_p=0.5", "--set", "seed=3", cwd=tmp_path)
    assert "the settings of this run have changed (rollout.top_p: " in said and "seed: 0 -> 3" in said
    assert mmupt(*command, cwd=tmp_path).returncode == 0
    assert fingerprint(tmp_path / "run") == undisturbed


@pytest.mark.parametrize("stage", list(COMMANDS))
def test_ctrl_c_and_then_the_same_bytes(stage: str, tmp_path: Path):
    command = COMMANDS[stage]
    assert mmupt(*command, cwd=tmp_path).returncode == 0
    undisturbed = fingerprint(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    log = {"synthesize": "generations.jsonl", "eval": "samples.jsonl"}[stage]
    for begun in (Path(), Path("run/config.json"), Path("run") / log):
        code, said = interrupted(command, tmp_path, begun)
        assert (code, said[-1:]) == (130, [STOPPED]), said
        assert not any("Traceback" in line for line in said)
    assert mmupt(*command, cwd=tmp_path).returncode == 0
    assert fingerprint(tmp_path / "run") == undisturbed
