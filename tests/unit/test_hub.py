"""The hub's reader, on a folder in the hub's own layout, and the catalogue of public sets."""

import io
from pathlib import Path

import pytest
from PIL import Image

from mmupt.errors import UserError
from mmupt.problems import catalogue, hub, names
from mmupt.problems.rows import Columns, build


def encoded(shade: int) -> dict[str, object]:
    buffer = io.BytesIO()
    Image.new("RGB", (28, 28), (shade, 0, 0)).save(buffer, format="PNG")
    return {"bytes": buffer.getvalue(), "path": f"{shade}.png"}


@pytest.fixture
def data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A data set with a column of pictures and a column of lists of pictures, as Geometry3K has."""
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    from datasets import Dataset, Features, List, Value
    from datasets import Image as Picture

    features = Features(
        {"images": List(Picture()), "cover": Picture(), "problem": Value("string"), "answer": Value("string")}
    )
    rows = [
        {"images": [encoded(n)], "cover": encoded(n + 10), "problem": f"<image>Find {n}.", "answer": str(n)}
        for n in range(3)
    ]
    rows[2]["images"] = [{"bytes": b"broken", "path": "2.png"}]
    (tmp_path / "set" / "data").mkdir(parents=True)
    Dataset.from_list(rows, features=features).to_parquet(tmp_path / "set" / "data" / "train-00000-of-00001.parquet")
    return str(tmp_path / "set")


def test_pictures_stay_encoded_and_broken_ones_are_skipped(data_set: str) -> None:
    columns = catalogue.entries()["geometry3k"].columns
    loaded = build(hub.rows(data_set, "train"), source="s", columns=columns, answers=True)
    assert [(problem.id, problem.question, problem.answer) for problem in loaded.problems] == [
        ("train-1", "Find 0.", "0"),
        ("train-2", "Find 1.", "1"),
    ]
    assert loaded.problems[0].images[0].data == encoded(0)["bytes"]
    assert [skip.id for skip in loaded.skipped] == ["train-3"]


def test_a_single_column_of_pictures_can_be_chosen(data_set: str) -> None:
    loaded = build(hub.rows(data_set, "train"), source="s", columns=Columns(images=("cover",)), answers=False)
    assert [problem.images[0].data for problem in loaded.problems] == [encoded(n + 10)["bytes"] for n in range(3)]
    assert {problem.answer for problem in loaded.problems} == {None}


def test_a_split_that_is_not_there_is_one_line(data_set: str) -> None:
    with pytest.raises(UserError) as caught:
        list(hub.rows(data_set, "trian"))
    assert "split 'trian' could not be loaded" in str(caught.value) and "\n" not in str(caught.value)


def test_the_catalogue_knows_the_sets_of_the_method() -> None:
    entries = catalogue.entries()
    assert {"geometry3k", "geoqa", "mmr1", "mathvista"} <= set(entries)
    assert len({entry.id for entry in entries.values()}) == len(entries)
    assert all(entry.about and entry.id.count("/") == 1 for entry in entries.values())
    assert catalogue.by_id("hiyouga/geometry3k") == entries["geometry3k"]
    assert "geometry3k:train" in names() and "tiny:train" in names()
