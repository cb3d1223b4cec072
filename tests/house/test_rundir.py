"""A run folder survives kills, refuses what would spoil it, and tells a full disk from a crash."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmupt.config import Section
from mmupt.config.evaluate import EvaluateConfig, EvaluateRollout
from mmupt.config.train import TrainConfig
from mmupt.errors import UserError
from mmupt.rundir import JsonlLog, RunDir, replace_folder, write_atomic


class Rollout(Section):
    temperature: float = 0.7


class Settings(Section):
    out: str = "runs/a"
    seed: int = 0
    rollout: Rollout = Rollout()


def refusal(path: Path, stage: str = "train", config: Section | None = None) -> str:
    with pytest.raises(UserError) as caught:
        RunDir.open(path, stage, config or Settings())
    return str(caught.value)


def work(path: Path, config: Section | None = None) -> None:
    """An attempt that got as far as its first row."""
    run = RunDir.open(path, "train", config or Settings())
    run.jsonl("metrics").append([{"step": 1}])
    run.close()


def test_a_run_keeps_its_settings_its_machine_and_its_result(tmp_path):
    run = RunDir.open(tmp_path / "run", "train", Settings(seed=3))
    run.jsonl("metrics").append([{"step": 1}])
    assert not run.done
    run.finish({"accuracy": 0.5})
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["config"]["seed"] == 3
    environment = json.loads((tmp_path / "run/environment.json").read_text())
    assert environment["packages"]["torch"].startswith("2.")
    again = RunDir.open(tmp_path / "run", "train", Settings(seed=3))
    assert again.done and again.result() == {"accuracy": 0.5}
    assert [row["event"] for row in again.jsonl("attempts").read()] == ["started", "finished"]


def test_every_attempt_is_noted(tmp_path):
    for _ in range(3):
        work(tmp_path / "run")
    rows = JsonlLog(tmp_path / "run/attempts.jsonl").read()
    assert [row["event"] for row in rows] == ["started"] * 3


def test_changed_settings_are_refused_and_named(tmp_path):
    work(tmp_path / "run")
    said = refusal(tmp_path / "run", config=Settings(seed=1, rollout=Rollout(temperature=1.0)))
    assert "(rollout.temperature: 0.7 -> 1.0, seed: 0 -> 1)" in said
    assert "--out" in said


def test_a_run_that_was_moved_goes_on(tmp_path):
    work(tmp_path / "run")
    assert not RunDir.open(tmp_path / "run", "train", Settings(out="elsewhere")).done


def test_a_run_goes_on_in_another_place_and_with_another_memory(tmp_path):
    def asked(**rollout: object) -> EvaluateConfig:
        return EvaluateConfig(out="run", rollout=EvaluateRollout(engine="openai", **rollout))

    work(tmp_path / "run", asked(base_url="http://one:8000/v1", timeout=60.0))
    elsewhere = asked(base_url="http://two:8000/v1", api_key_env="KEY", retries=9, engines=1, batch_size=8)
    RunDir.open(tmp_path / "run", "train", elsewhere).close()
    said = refusal(tmp_path / "run", config=asked(base_url="http://two:8000/v1", top_p=0.5))
    assert "(rollout.top_p: 1.0 -> 0.5)" in said
    assert {"out", "second.timeout", "rollout.ray"} <= elsewhere.may_change()
    assert {"guard.window", "rollout.base_url"} <= TrainConfig().may_change()
    assert not {"rollout.temperature", "seed", "model"} & TrainConfig().may_change()


def test_the_folder_of_another_stage_is_refused(tmp_path):
    work(tmp_path / "run")
    assert "holds a run of train, not of evaluate" in refusal(tmp_path / "run", stage="evaluate")


def test_a_run_that_did_nothing_leaves_nothing(tmp_path):
    RunDir.open(tmp_path / "run", "train", Settings()).close()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "made").mkdir()
    RunDir.open(tmp_path / "made", "train", Settings()).close()
    assert list((tmp_path / "made").iterdir()) == []


def test_a_run_that_was_killed_before_it_did_anything_takes_other_settings(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    holder.kill()
    holder.wait()
    (tmp_path / "run/data.json").write_text("{}")
    run = RunDir.open(tmp_path / "run", "evaluate", Settings(seed=5))
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert (config["stage"], config["config"]["seed"]) == ("evaluate", 5)
    assert not (tmp_path / "run/data.json").exists()
    run.close()


def test_a_folder_with_another_programs_config_is_left_alone(tmp_path):
    for number, text in enumerate(['{"model_type": "qwen2_5_vl"}', "1", "{"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "config.json").write_text(text)
        assert "holds a config.json that is no run's" in refusal(folder)
        assert [file.name for file in folder.iterdir()] == ["config.json"]


def test_a_folder_of_the_users_own_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert "is not empty and holds no run of mmupt (it holds 'thesis.tex')" in refusal(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


HOLD = """
import sys, time
from pathlib import Path
from mmupt.rundir import RunDir
from tests.house.test_rundir import Settings
RunDir.open(Path(sys.argv[1]), "train", Settings())
print("held", flush=True)
time.sleep(60)
"""


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path):
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        assert f"another process (pid {holder.pid}) is working on this run" in refusal(tmp_path / "run")
    finally:
        holder.send_signal(signal.SIGKILL)
    # Not waited for: the lock must be had even while the killed process is still going away.
    RunDir.open(tmp_path / "run", "train", Settings()).close()
    holder.wait()


def test_a_process_that_waits_for_a_run_that_comes_to_nothing_gets_the_folder_itself(tmp_path):
    code = HOLD.replace("time.sleep(60)", "time.sleep(0.5)").replace("RunDir.open", "run = RunDir.open") + "run.close()"
    holder = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE)
    assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
    run = RunDir.open(tmp_path / "run", "train", Settings())
    assert holder.wait() == 0
    assert (tmp_path / "run/.lock").read_text() == str(os.getpid())
    run.jsonl("metrics").append([{"step": 1}])
    run.close()
    assert (tmp_path / "run/config.json").is_file()


def test_a_forked_child_that_outlives_its_parent_does_not_hold_the_lock(tmp_path):
    code = HOLD.replace("time.sleep(60)", "import os\nif os.fork() == 0: time.sleep(20)")
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE)
    assert parent.stdout is not None and parent.stdout.readline() == b"held\n"
    parent.wait()
    RunDir.open(tmp_path / "run", "train", Settings()).close()


@pytest.mark.parametrize("cut", [1, 5, 9])
def test_a_half_written_line_is_dropped_and_whole_ones_stay(tmp_path, cut):
    log = JsonlLog(tmp_path / "rows.jsonl")
    log.append([{"a": 1}, {"a": 2}])
    whole = log.size()
    with (tmp_path / "rows.jsonl").open("ab") as file:
        file.write(b'{"a":"half"}'[:cut])
    log = JsonlLog(tmp_path / "rows.jsonl")
    assert log.size() == whole
    log.append([{"a": 3}])
    assert log.read() == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_a_half_line_longer_than_a_block_is_dropped(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b'{"a":1}\n' + b"x" * 200_000)
    assert JsonlLog(tmp_path / "rows.jsonl").read() == [{"a": 1}]


def test_a_log_rolls_back_to_a_noted_size_and_not_further_than_it_is(tmp_path):
    log = JsonlLog(tmp_path / "rows.jsonl")
    log.append([{"a": 1}])
    noted = log.size()
    log.append([{"a": 2}])
    log.truncate(noted)
    assert log.read() == [{"a": 1}]
    with pytest.raises(UserError, match="is shorter than"):
        log.truncate(noted + 1)


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "rows.jsonl").write_bytes(b'{"a":1}\n\x00\x00\n{"a":2}\n')
    with pytest.raises(UserError, match="line 2"):
        JsonlLog(tmp_path / "rows.jsonl").read()


def test_text_that_utf8_cannot_hold_comes_back_as_it_was(tmp_path):
    log = JsonlLog(tmp_path / "rows.jsonl")
    log.append([{"text": "\ud800 half"}, {"text": "Fläche 面積"}])
    assert [row["text"] for row in log.read()] == ["\ud800 half", "Fläche 面積"]


def test_a_path_under_a_file_is_one_line_and_nothing_is_written(tmp_path):
    (tmp_path / "file").write_text("x")
    assert refusal(tmp_path / "file/run").startswith(f"{tmp_path}/file")
    assert refusal(tmp_path / "file").startswith(f"{tmp_path}/file")
    assert (tmp_path / "file").read_text() == "x"


def test_a_place_that_the_system_keeps_closed_is_a_users_mistake():
    # Closed to root as well, unlike a folder without the write bit.
    assert refusal(Path("/proc/self/mmupt")).startswith("/proc/self/mmupt: cannot be")


def test_a_full_disk_is_told_as_such_and_leaves_no_part_behind(tmp_path):
    (tmp_path / "rows.jsonl").symlink_to("/dev/full")
    with pytest.raises(UserError, match="the disk is full"):
        JsonlLog(tmp_path / "rows.jsonl").append([{"a": 1}])
    write_atomic(tmp_path / "done.json", "old")
    (tmp_path / ".done.json.tmp").symlink_to("/dev/full")
    with pytest.raises(UserError, match="the disk is full"):
        write_atomic(tmp_path / "done.json", "new")
    assert (tmp_path / "done.json").read_text() == "old"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["done.json", "rows.jsonl"]


FILL = """
import sys
from pathlib import Path
from mmupt.errors import UserError
from mmupt.rundir import JsonlLog
log = JsonlLog(Path(sys.argv[1]))
log.append([{"row": 0}])
try:
    log.append([{"row": number} for number in range(1, 100)])
except UserError as error:
    print(error)
print(log.read())
"""


def test_rows_that_do_not_fit_are_taken_back_whole(tmp_path):
    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    command = [sys.executable, "-c", FILL, str(tmp_path / "rows.jsonl")]
    done = subprocess.run(command, preexec_fn=small, capture_output=True, text=True, check=True)
    said, rows = done.stdout.splitlines()
    assert "the disk is full" in said
    assert rows == "[{'row': 0}]"


WRITE = """
import sys
from pathlib import Path
from mmupt.rundir import write_atomic
while True:
    for letter in "ab":
        write_atomic(Path(sys.argv[1]), letter * 300_000)
        print("written", flush=True)
"""


def test_a_file_is_whole_after_a_kill_at_any_moment(tmp_path):
    file = tmp_path / "done.json"
    for kill in range(5):
        writer = subprocess.Popen([sys.executable, "-c", WRITE, str(file)], stdout=subprocess.PIPE)
        assert writer.stdout is not None and writer.stdout.readline() == b"written\n"
        time.sleep(0.03 * (kill + 1))
        writer.kill()
        writer.wait()
        assert file.read_text() in ("a" * 300_000, "b" * 300_000)
    write_atomic(file, "c")
    assert [each.name for each in tmp_path.iterdir()] == ["done.json"]


def test_a_folder_replaces_another_whole(tmp_path):
    for name in ("old", "new"):
        aside = tmp_path / ".model.tmp"
        (aside / "deep").mkdir(parents=True)
        (aside / "deep" / name).write_text(name)
        replace_folder(aside, tmp_path / "model")
    assert sorted(str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*")) == [
        "model",
        "model/deep",
        "model/deep/new",
    ]
