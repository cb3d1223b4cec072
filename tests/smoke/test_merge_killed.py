"""SIGKILL at random moments of a merge: either nothing stands at its place, or the whole folder."""

import multiprocessing
import random
import shutil
import time
from pathlib import Path

from mmupt.config.merge import MergeConfig
from mmupt.problems.tiny import model_dir
from mmupt.stages.merge import merge
from tests.kills import fingerprint

KILLS = 10


def test_ten_kills_leave_nothing_or_the_whole_folder(tmp_path: Path):
    # Processes that have imported everything already, so that a kill falls into the merge and not into its imports.
    starts = multiprocessing.get_context("forkserver")
    starts.set_forkserver_preload(["mmupt.merging.merge", "transformers.models.qwen2_5_vl.modeling_qwen2_5_vl"])
    out, aside = tmp_path / "out", tmp_path / ".out.partial"
    config = MergeConfig(checkpoint=model_dir(), out=out, dtype="float32", shard_gb=0.0005)

    def begun() -> multiprocessing.process.BaseProcess:
        process = starts.Process(target=merge, args=(config,))
        process.start()
        return process

    begun().join()
    shutil.rmtree(out)
    start = time.monotonic()
    begun().join()
    length, whole = time.monotonic() - start, fingerprint(out)
    shutil.rmtree(out)
    draws, hits, halves = random.Random(3), 0, 0
    for _ in range(3 * KILLS):
        process = begun()
        time.sleep(draws.uniform(0, length))
        process.kill()
        process.join()
        hits += process.exitcode == -9
        halves += aside.exists()
        if out.exists():
            assert fingerprint(out) == whole
            shutil.rmtree(out)
        if hits >= KILLS and halves >= 3:
            break
    assert hits >= KILLS and halves >= 3
    merge(config)
    assert fingerprint(out) == whole and [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(whole) > 15
