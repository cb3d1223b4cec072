"""What the tests of merging share: checkpoints that real ranks make, how they are spoilt, and how one is refused."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mmupt.config.merge import MergeConfig
from mmupt.errors import UserError
from mmupt.stages.merge import merge


def made_by(script: str, folder: Path) -> Path:
    """Run a script of `smoke`, whose ranks meet at a free port and write into the folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(Path(__file__).parent / "smoke" / script), str(folder), str(port)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder


def rewritten(file: Path, change: Callable[[dict], object]) -> None:
    """Change what torch has saved, and save it again."""
    content = torch.load(file, weights_only=False)
    change(content)
    torch.save(content, file)


def refused(checkpoint: Path, *words: str) -> None:
    """The merge is refused in one line that holds these words, and leaves nothing behind."""
    with pytest.raises(UserError) as told:
        merge(MergeConfig(checkpoint=checkpoint, out=checkpoint.parent / "out", base="tiny"))
    assert all(word in str(told.value) for word in words), str(told.value)
    assert "\n" not in str(told.value)
    assert sorted(path.name for path in checkpoint.parent.iterdir()) == [checkpoint.name]
