"""How commands end: 2 and one line for a user's mistake, 1 and a saved traceback for ours, 130 or 143 when stopped."""

import errno
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mmupt.cli.exits import guarded, remember_run_folder
from mmupt.errors import UserError
from tests.house.command import mmupt, one_line


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["trian"], "did you mean 'train'"),
        (["train", "--modle", "x"], "--modle"),
        (["train", "--set", "rollout.temprature=1"], "did you mean 'rollout.temperature'?"),
        (["train", "--deepspeed", "zero9"], "--deepspeed: deepspeed: invalid enum value 'zero9'"),
        (["train", "nowhere.toml"], "there is no such recipe file"),
        (["eval", "--samples", "0", "--out", "x"], "--samples"),
        (["eval", "--samples", "many", "--out", "x"], "--samples"),
        (["list", "benchmark"], "did you mean 'benchmarks'?"),
        (["run", "nowhere"], "there is no pipeline 'nowhere'"),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_code_2(arguments, said, tmp_path):
    done = mmupt(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    line = one_line(done.stderr)
    assert line.startswith("error: ")
    assert said.lower() in line.lower()
    assert list(tmp_path.iterdir()) == []


def test_no_command_shows_help():
    done = mmupt()
    assert "Commands:" in done.stdout + done.stderr


def test_the_version_is_told():
    done = mmupt("--version")
    assert (done.returncode, done.stdout) == (0, "mmupt 0.1.0\n")


def test_an_unexpected_error_is_one_line_and_its_traceback_lies_in_the_run_folder(tmp_path, capsys):
    remember_run_folder(tmp_path)
    try:
        assert guarded(lambda: {}["lost"]) == 1
    finally:
        remember_run_folder(None)
    line = one_line(capsys.readouterr().err)
    assert line == f"error: unexpected KeyError: 'lost' (the traceback is in {tmp_path}/traceback.txt)"
    assert "KeyError: 'lost'" in (tmp_path / "traceback.txt").read_text()


def test_without_a_run_folder_the_traceback_is_still_kept(capsys):
    assert guarded(lambda: 1 // 0) == 1
    found = re.search(r"the traceback is in (\S+)\)", capsys.readouterr().err)
    assert found is not None and "ZeroDivisionError" in Path(found[1]).read_text()
    Path(found[1]).unlink()


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UserError("is empty", where="rows.jsonl", fix="add rows"), "error: rows.jsonl: is empty; add rows"),
        (OSError(errno.ENOSPC, "No space left on device", "runs/a"), "error: runs/a: the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "runs/a"), "error: runs/a: cannot be written or read"),
    ],
)
def test_what_the_user_can_mend_is_exit_code_2_wherever_it_comes_from(error, said, capsys):
    assert guarded(lambda: fail(error)) == 2
    assert one_line(capsys.readouterr().err).startswith(said)


WAIT = """
import sys, time
from mmupt.cli.exits import guarded
def wait():
    print("waiting", flush=True)
    time.sleep(60)
sys.exit(guarded(wait))
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_command_says_how_to_go_on(number, code):
    process = subprocess.Popen(
        [sys.executable, "-c", WAIT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None and process.stdout.readline() == "waiting\n"
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == code
    assert one_line(said) == "error: stopped; the same command goes on from here"


def test_a_reader_that_leaves_early_causes_no_complaint():
    command = f"{sys.executable} -c 'from mmupt import console\nfrom mmupt.cli.exits import guarded\n"
    code = 'import sys\nsys.exit(guarded(lambda: [console.say("x" * 1000) for _ in range(1000)]))\''
    done = subprocess.run(["bash", "-c", f"{command}{code} | head -1"], capture_output=True, text=True)
    assert done.stderr == "" and done.stdout.startswith("xxx")


LIBRARY = """
import atexit, sys, time
from threading import Thread, main_thread
from mmupt.cli import main

class Heavy:
    def __del__(self):
        print("taken down")

def work():
    while "mmupt.cli.app" not in sys.modules:
        time.sleep(0.01)
    atexit.register(print, "told of the end")
    main_thread().join()
    print("the thread has ended")

heavy = Heavy()
Thread(target=work).start()
main()
"""


def test_threads_and_exit_handlers_come_to_their_end_and_nothing_is_taken_down():
    done = subprocess.run([sys.executable, "-c", LIBRARY, "trian"], capture_output=True, text=True)
    assert done.stdout == "the thread has ended\ntold of the end\n"
    assert done.returncode == 2 and "Did you mean 'train'" in one_line(done.stderr)
