"""Names come from files; listing imports nothing, and an unknown name finds its neighbour."""

import subprocess
import sys
from pathlib import Path

import pytest

from mmupt import registry, shipped
from mmupt.errors import UserError
from mmupt.suggest import nearest, way_out
from tests.house.command import mmupt
from tests.house.source import HEAVY


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package of its own: two members, one support file, and an `__init__` that must not run for a listing."""
    folder = tmp_path / "shop_of_names"
    folder.mkdir()
    (folder / "__init__.py").write_text("import sys\nsys.modules['shop_was_imported'] = sys\n")
    (folder / "soft_vote.py").write_text("def rewards(group: int) -> int:\n    return group\n")
    (folder / "hard_vote.py").write_text("class rewards: pass\n")
    (folder / "shared.py").write_text(
        "from shop_of_names.soft_vote import rewards\n\n\ndef rewards_of(x):\n    return x\n"
    )
    (folder / "_private.py").write_text("def rewards(): pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry.names.cache_clear()
    return "shop_of_names"


def test_listing_reads_file_names_and_imports_nothing(shop):
    assert registry.names(shop) == ["hard_vote", "shared", "soft_vote"]
    assert "shop_was_imported" not in sys.modules


def test_only_files_that_define_the_member_are_members(shop):
    assert registry.names(shop, defines="rewards") == ["hard_vote", "soft_vote"]


def test_a_hyphen_may_stand_for_an_underscore(shop):
    assert registry.load(shop, "soft-vote", defines="rewards").rewards(3) == 3


def test_an_unknown_name_names_the_nearest(shop):
    with pytest.raises(UserError, match=r"there is no 'sotf_vote' in shop_of_names; did you mean 'soft_vote'\?"):
        registry.load(shop, "sotf_vote")


def test_the_nearest_name_is_close_or_none():
    assert nearest("tempreature", ["top_p", "temperature"]) == "temperature"
    assert nearest("xyz", ["top_p", "temperature"]) is None
    assert way_out("xyz", ["b", "a"]) == "known: a, b"


def test_the_list_command_shows_every_kind_and_imports_no_heavy_library():
    done = mmupt("list")
    assert done.returncode == 0
    shown = done.stdout.split()
    assert {"benchmarks:", "rewards:", "engines:", "problems:", "pipelines:", "trackers:"} <= set(shown)
    assert {"tiny", "majority", "transformers", "vllm", "scripted", "tiny:train", "tensorboard"} <= set(shown)
    code = "import sys\nfrom mmupt.cli.main import main\nheavy = {*sys.argv[1:]}\nsys.argv[1:] = ['list']\n"
    code += "try: main()\nexcept SystemExit: sys.exit(bool(heavy & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code, *HEAVY], capture_output=True).returncode == 0


def test_one_kind_can_be_listed_alone():
    assert mmupt("list", "rewards").stdout.splitlines()[0] == "rewards:"
    assert "tiny:train" not in mmupt("list", "rewards").stdout


def test_a_pipeline_is_found_by_name_or_path(tmp_path):
    assert shipped.pipeline("tiny").samefile(shipped.pipeline("pipelines/tiny.toml"))
    own = tmp_path / "mine.toml"
    own.write_text("")
    assert shipped.pipeline(str(own)) == own
