"""Settings: where they come from, and what a wrong one says."""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from mmupt.config import Section, digest, load, to_dict
from mmupt.errors import UserError


class Sampling(Section):
    temperature: float = 0.7
    samples: Annotated[int, msgspec.Meta(ge=1)] = 10

    def __post_init__(self) -> None:
        if self.temperature > 5:
            raise UserError("temperature is above 5", fix="lower it")


class Recipe(Section):
    model: str
    out: Path | None = None
    mode: Literal["direct", "in-context"] = "direct"
    sampling: Sampling = Sampling()
    stages: tuple[Sampling, ...] = ()
    weights: dict[str, float] = msgspec.field(default_factory=dict)
    notes: dict[str, object] = msgspec.field(default_factory=dict)


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    file = tmp_path / "recipe.toml"
    file.write_text('model = "tiny"\n[sampling]\ntemperature = 1\n')
    return file


def refusal(recipe: Path | None, *sets: str, table: str | None = None) -> str:
    with pytest.raises(UserError) as caught:
        load(Recipe, recipe, sets, table=table)
    return str(caught.value)


def test_sets_win_over_the_recipe_and_the_recipe_over_the_defaults(recipe):
    config = load(Recipe, recipe, ["sampling.samples=3", "sampling.samples=4"])
    assert (config.sampling.temperature, config.sampling.samples, config.mode) == (1.0, 4, "direct")


def test_a_whole_number_is_a_good_float_and_stays_a_float(recipe):
    assert isinstance(load(Recipe, recipe).sampling.temperature, float)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("model=tiny:train", "tiny:train"),
        ("model='12'", "12"),
        ("model=a=b", "a=b"),
        ("model=2024-01-01", "2024-01-01"),
        ("model=a\nmode = 'in-context'", "a\nmode = 'in-context'"),
        ("model=[half", "[half"),
    ],
)
def test_a_set_is_read_as_toml_or_else_taken_as_text(recipe, text, value):
    assert load(Recipe, recipe, [text]).model == value


def test_null_takes_a_setting_back(recipe):
    assert load(Recipe, recipe, ["out=runs/a"]).out == Path("runs/a")
    assert load(Recipe, recipe, ["out=runs/a", "out=null"]).out is None


def test_lists_of_sections_and_open_tables_come_through(recipe):
    config = load(Recipe, recipe, ["stages=[{samples=2}, {}]", "weights.hard=0.5", "notes.a.b=[1]"])
    assert [stage.samples for stage in config.stages] == [2, 10]
    assert config.weights == {"hard": 0.5}
    assert config.notes == {"a": {"b": [1]}}


def test_one_table_of_a_larger_file_can_be_read(tmp_path):
    file = tmp_path / "pipeline.toml"
    file.write_text('seed = 1\n[train]\nmodel = "a"\n')
    assert load(Recipe, file, table="train").model == "a"
    assert refusal(file, table="trian") == f"{file}: has no table [trian]; did you mean 'train'?"


def test_an_unknown_key_names_the_nearest_and_where_it_was_written(recipe):
    assert refusal(recipe, "sampling.temprature=1") == (
        "--set sampling.temprature=1: unknown key 'sampling.temprature'; did you mean 'sampling.temperature'?"
    )
    recipe.write_text('model = "a"\nmoed = "direct"\n')
    assert refusal(recipe) == f"{recipe}: unknown key 'moed'; did you mean 'mode'?"


def test_a_key_without_its_section_is_found_in_the_section(recipe):
    assert refusal(recipe, "samples=3").endswith("did you mean 'sampling.samples'?")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sampling.samples=many", "sampling.samples: expected int, got str"),
        ("sampling.samples=true", "sampling.samples: expected int, got bool"),
        ("sampling.samples=0", "sampling.samples: expected int >= 1, got 0"),
        ("mode=in_context", "mode: invalid enum value 'in_context', got \"in_context\"; did you mean 'in-context'?"),
        ("model=12", "model: expected str, got int; put the text in quotes, such as 'key=\"12\"'"),
        ("sampling.temperature=nan", "sampling.temperature: is not a finite number"),
        ("sampling.temperature=9", "temperature is above 5; lower it"),
        ("model.name=a", "'model' is a value, not a section"),
    ],
)
def test_a_wrong_value_names_key_expectation_and_value(recipe, text, said):
    assert refusal(recipe, text) == f"--set {text}: {said}"


def test_a_wrong_value_in_the_file_is_told_with_the_file(recipe):
    recipe.write_text('model = "a"\n[sampling]\nsamples = "x"\n')
    assert refusal(recipe, "mode=direct") == f"{recipe}: sampling.samples: expected int, got str"


def test_a_missing_setting_is_named():
    assert "'model' is missing" in refusal(None)


def test_what_is_no_assignment_is_refused():
    assert refusal(None, "model") == "--set 'model' is no assignment; write --set section.key=value"


def test_broken_toml_names_file_and_line(recipe):
    recipe.write_text('model = "a"\n[sampling\n')
    assert refusal(recipe).startswith(f"{recipe}: is not TOML:")
    assert "line 2" in refusal(recipe)


def test_a_missing_recipe_names_its_neighbour(recipe):
    said = refusal(recipe.with_name("recpie.toml"))
    assert said.endswith("there is no such recipe file; did you mean 'recipe.toml'?")


def test_the_digest_depends_on_values_and_not_on_how_they_were_given(recipe):
    from_file = load(Recipe, recipe)
    from_sets = load(Recipe, None, ["sampling.temperature=1.0", "model=tiny"])
    assert to_dict(from_file) == to_dict(from_sets)
    assert digest(from_file) == digest(from_sets) != digest(load(Recipe, recipe, ["mode=in-context"]))
    assert len(digest(from_file)) == 64
