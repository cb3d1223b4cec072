"""EasyR1's merger holds the whole model (docs/traps.md); ours holds some megabytes of it, whatever the shards."""

import shutil
import subprocess
import sys
from pathlib import Path

import torch
from transformers import AutoConfig, Qwen2_5_VLForConditionalGeneration

from mmupt.problems.tiny import model_dir
from tests.smoke.sharded_checkpoints import sharded

MERGES = """
import re, sys
from pathlib import Path
from mmupt.config.merge import MergeConfig
from mmupt.stages.merge import merge
def megabytes(name):
    return int(re.search(rf"{name}:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) // 1024
small, large, out = map(Path, sys.argv[1:])
merge(MergeConfig(checkpoint=small, out=out / "small"))
Path("/proc/self/clear_refs").write_text("5")
before = megabytes("VmRSS")
merge(MergeConfig(checkpoint=large, out=out / "merged"))
print(megabytes("VmHWM") - before)
"""
"""The first merge pays for what is imported; then the peak is counted anew."""


def test_a_merge_holds_less_than_half_of_the_model(tmp_path: Path):
    folder = tmp_path / "checkpoint"
    config = AutoConfig.from_pretrained(model_dir())
    config.text_config.intermediate_size = 40 * 1024
    config.save_pretrained(tmp_path)
    state = dict(Qwen2_5_VLForConditionalGeneration._from_config(config, dtype=torch.float32).state_dict())
    sharded(state, folder, copies=1)
    megabytes = sum(file.stat().st_size for file in folder.iterdir()) / 2**20
    for file in model_dir().iterdir():
        if file.suffix != ".safetensors":
            shutil.copy(file, folder)
    shutil.copy(tmp_path / "config.json", folder)
    done = subprocess.run(
        [sys.executable, "-c", MERGES, str(model_dir()), str(folder), str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert megabytes > 280 and int(done.stdout.split()[-1]) < megabytes / 2
    assert (tmp_path / "merged/model.safetensors").stat().st_size / 2**20 > megabytes / 2.1
