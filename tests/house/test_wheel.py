"""An installed wheel is whole: it holds the tiny model, its data and the pipelines, and finds them."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.house.source import PACKAGE, ROOT

FOUND = """
from mmupt import __file__, shipped
from mmupt.problems import tiny
print(__file__, tiny.model_dir() / "config.json", shipped.catalogue(), shipped.pipeline("tiny"), sep="\\n")
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_finds_model_data_and_pipelines_outside_a_checkout(unpacked, tmp_path):
    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    command = [sys.executable, "-c", FOUND]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert len(paths) == 4
    assert [path for path in paths if not (path.is_relative_to(unpacked) and path.is_file())] == []


def test_the_wheel_holds_every_module_and_no_test(unpacked):
    modules = {file.relative_to(PACKAGE) for file in PACKAGE.rglob("*.py")}
    assert {file.relative_to(unpacked / "mmupt") for file in (unpacked / "mmupt").rglob("*.py")} == modules
    assert {entry.name for entry in unpacked.iterdir() if not entry.name.endswith(".dist-info")} == {"mmupt"}


def test_the_shipped_model_and_data_take_at_most_12_megabytes(unpacked):
    size = sum(file.stat().st_size for file in (unpacked / "mmupt/_data/tiny").rglob("*") if file.is_file())
    assert 1e6 < size <= 12e6
