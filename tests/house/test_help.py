"""`--help` is quick, light, and says the same as last time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mmupt.cli.app import app
from tests.house.source import HEAVY

SURFACE = Path(__file__).with_name("cli_surface.json")
COMMANDS = ("", "synthesize", "audit", "train", "merge", "eval", "run", "report", "doctor", "list")

PROBE = """
import json, resource, sys
heavy = set(sys.argv.pop(1).split())
from mmupt.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
used = resource.getrusage(resource.RUSAGE_SELF)
heavy = sorted(heavy & {name.split(".")[0] for name in sys.modules})
print(json.dumps({"code": code, "heavy": heavy, "cpu": used.ru_utime + used.ru_stime}), file=sys.stderr)
"""


def probe(*arguments: str) -> dict:
    command = [sys.executable, "-c", PROBE, " ".join(HEAVY), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stderr.splitlines()[-1]) | {"text": done.stdout}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy_and_takes_less_than_300_ms_of_cpu(command):
    seen = [probe(*command.split(), "--help") for _ in range(3)]
    assert {run["code"] for run in seen} == {0}
    assert seen[0]["heavy"] == []
    assert "Usage:" in seen[0]["text"]
    # The least of three: another process on the same core makes caches cold, never warm.
    assert min(run["cpu"] for run in seen) < 0.3


def test_a_dry_run_loads_no_heavy_library_either():
    # pyarrow, which brings numpy, counts the rows of a parquet file.
    assert set(probe("train", "--dry-run")["heavy"]) <= {"pyarrow", "numpy"}
    assert probe("eval", "--out", "x", "--dry-run")["heavy"] == []
    assert probe("run", "qwen2_5_vl_7b-mmr1", "--dry-run")["heavy"] == []


def surface() -> dict[str, list[str]]:
    import typer

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    return {
        name: sorted("/".join(parameter.opts) for parameter in command.params)
        for name, command in sorted(commands.items())
    }


def test_commands_and_options_are_those_that_users_know():
    """After a change on purpose: `python -m tests.house.test_help` writes the file anew."""
    assert surface() == json.loads(SURFACE.read_text())


if __name__ == "__main__":
    SURFACE.write_text(json.dumps(surface(), indent=1) + "\n")
