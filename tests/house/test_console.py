"""What is printed where, with and without a terminal."""

import os
import pty
import subprocess
import sys

from mmupt import console

PROGRESS = """
from mmupt import console
with console.progress(40, "sampling", done=8) as bar:
    for number in range(32):
        bar.advance(1, note=f"loss {number}")
console.say("result")
"""


def test_without_a_terminal_progress_is_a_line_each_tenth_on_stderr():
    done = subprocess.run([sys.executable, "-c", PROGRESS], capture_output=True, text=True, check=True)
    assert done.stdout == "result\n"
    assert done.stderr.splitlines() == [
        f"sampling: {count}/40  loss {count - 9}" for count in (12, 16, 20, 24, 28, 32, 36, 40)
    ]


def test_on_a_terminal_progress_is_one_live_bar():
    reader, writer = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "100"}
    done = subprocess.run([sys.executable, "-c", PROGRESS], stdout=subprocess.PIPE, stderr=writer, env=environment)
    os.close(writer)
    shown = os.read(reader, 100_000).decode()
    os.close(reader)
    assert done.returncode == 0 and done.stdout == b"result\n"
    assert "\x1b[" in shown and "40/40" in shown and "loss 31" in shown


def test_only_rank_0_speaks_but_every_rank_may_say_why_it_stops():
    code = "from mmupt import console\nconsole.say('s')\nconsole.warn('w')\nconsole.error('e')" + PROGRESS
    environment = os.environ | {"RANK": "1"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert (done.stdout, done.stderr) == ("", "error: e\n")


def test_a_table_lines_up_and_keeps_four_digits(capsys):
    console.table("Scores", ["model", "accuracy", "n"], [["base", 0.48231, 1000], ["trained", 0.6, 50]])
    assert capsys.readouterr().out == (
        "Scores\nmodel    accuracy     n\n-------  --------  ----\nbase       0.4823  1000\ntrained       0.6    50\n"
    )


def test_an_empty_table_shows_its_columns(capsys):
    console.table("Scores", ["model"], [])
    assert capsys.readouterr().out == "Scores\nmodel\n-----\n"
