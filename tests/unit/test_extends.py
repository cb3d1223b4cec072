"""A recipe that extends another: what wins, what comes first, and what is refused."""

from pathlib import Path

import pytest

from mmupt.config import load
from mmupt.config.recipe import read
from mmupt.config.run import RunConfig
from mmupt.config.train import TrainConfig
from mmupt.errors import UserError


def written(folder: Path, **recipes: str) -> None:
    for name, text in recipes.items():
        (folder / f"{name}.toml").write_text(text)


def test_values_win_tables_are_joined_and_lists_are_taken_whole(tmp_path: Path):
    written(
        tmp_path,
        low="seed = 1\n[update]\nbetas = [0.5, 0.6]\nlearning_rate = 1.0\n[save]\nevery = 3\n",
        top='extends = "low.toml"\n[update]\nbetas = [0.9, 0.99]\n',
    )
    config = load(TrainConfig, tmp_path / "top.toml", ["seed=7"])
    assert (config.seed, config.save.every, config.update.learning_rate) == (7, 3, 1.0)
    assert config.update.betas == (0.9, 0.99)


def test_what_a_recipe_adds_stands_before_what_it_extends(tmp_path: Path):
    written(
        tmp_path,
        low='name = "low"\n[stages.learn]\nuse = "train"\n[stages.scored]\nuse = "eval"\n',
        top='extends = "low.toml"\n[stages.write]\nuse = "synthesize"\n[stages.learn]\ndata = "${write}"\n',
    )
    stages = load(RunConfig, tmp_path / "top.toml").stages
    assert list(stages) == ["write", "learn", "scored"]
    assert stages["learn"] == {"data": "${write}", "use": "train"}


def test_three_recipes_in_a_row_and_a_shipped_one_by_its_name(tmp_path: Path):
    written(
        tmp_path, a='extends = "b.toml"\nseed = 1\n', b='extends = "c.toml"\nseed = 2\nsteps = 2\n', c="limit = 3\n"
    )
    assert read(tmp_path / "a.toml") == {"seed": 1, "steps": 2, "limit": 3}
    written(tmp_path, mine='extends = "tiny"\nname = "mine"\n[stages.vote]\nseed = 5\n')
    config = load(RunConfig, tmp_path / "mine.toml")
    assert config.name == "mine" and config.stages["vote"]["seed"] == 5 and "direct" in config.stages


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('extends = "nowhere.toml"', r"extends nowhere.toml, which is neither beside it nor shipped"),
        ('extends = "tny"', r"did you mean 'tiny'"),
        ("extends = 3", "extends is not a text"),
        ('extends = "top.toml"', "extends top.toml, which extends it"),
        ('extends = "circle.toml"', "circle.toml: extends top.toml, which extends it"),
        ('extends = "broken.toml"', "broken.toml: is not TOML"),
    ],
)
def test_a_wrong_extends_is_refused_in_one_line(text: str, words: str, tmp_path: Path):
    written(tmp_path, top=text, circle='extends = "top.toml"', broken="=")
    with pytest.raises(UserError, match=words) as told:
        load(TrainConfig, tmp_path / "top.toml")
    assert "\n" not in str(told.value)


def test_an_unknown_key_of_the_extended_recipe_is_told(tmp_path: Path):
    written(tmp_path, low="sed = 1\n", top='extends = "low.toml"\n')
    with pytest.raises(UserError, match="unknown key 'sed'"):
        load(TrainConfig, tmp_path / "top.toml")
