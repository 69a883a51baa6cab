"""Recipes: what is wrong is named, what is shipped is right, what is written reads back."""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archc.train.recipe import RecipeError, load_recipe, parse_recipe, recipe_names, to_toml
from archc.train.schedule import learning_rate
from tests.train.tiny import tiny_recipe


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("epoch=3", ["epoch", "did you mean `epochs`"]),
        ("run.epochs=3", ["run.epochs", "did you mean `epochs`"]),
        ("lr=0.1", ["lr", "did you mean `optim.lr`"]),
        ("optim.momentun=0.9", ["optim.momentun", "did you mean `momentum`"]),
        ("optim.name=sdg", ["optim.name", "'sgd'"]),
        ("optim.lr=-1", ["optim.lr", "greater than 0"]),
        ("run.log_every=51", ["run.log_every", "50"]),
        ("zzz=1", ["zzz", "known are", "epochs"]),
        ("epochs.x=1", ["epochs is not a table"]),
        ("optim.lr", ["is not key=value"]),
        ("data.accumulate=3", ["batch 64 is not a multiple of accumulate 3"]),
        ("augment.one_of={none=0.4, flip=0.4}", ["add up to 0.8, not 1"]),
        ("augment.one_of={nome=1.0}", ["one_of.nome"]),
    ],
)
def test_a_wrong_change_is_explained(change: str, words: list[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        load_recipe("quickstart", [change])
    for word in words:
        assert word in str(caught.value)


def test_an_unknown_recipe_gets_a_suggestion() -> None:
    with pytest.raises(RecipeError, match="did you mean `quickstart`"):
        load_recipe("quikstart")


@pytest.mark.parametrize("text", ["epochs = ", "\xff", "a = 1\na = 2"])
def test_what_is_not_toml_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(RecipeError, match="is not TOML"):
        load_recipe(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot read"):
        load_recipe(tmp_path / "none.toml")


def test_changes_are_values_of_their_type() -> None:
    found = load_recipe(
        "quickstart",
        ["optim.lr=.01", "run.compile=true", "data.name=synthetic", "optim.betas=[0.8, 0.9]", "doc=x y"],
    )
    assert found.optim.lr == 0.01
    assert found.run.compile is True
    assert found.data.name == "synthetic"
    assert found.optim.betas == (0.8, 0.9)
    assert found.doc == "x y"


def test_there_are_recipes() -> None:
    assert "quickstart" in recipe_names()


@pytest.mark.parametrize("name", recipe_names())
def test_a_shipped_recipe_is_right_and_says_where_it_is_from(name: str) -> None:
    found = load_recipe(name)
    assert found.doc
    assert found.source


@pytest.mark.parametrize("name", recipe_names())
def test_a_resolved_recipe_reads_back(name: str, tmp_path: Path) -> None:
    found = load_recipe(name)
    path = tmp_path / "resolved.toml"
    path.write_text(to_toml(found))
    assert load_recipe(path) == found


@given(doc=st.text(), epochs=st.floats(0.1, 1e6), betas=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_any_recipe_reads_back(doc: str, epochs: float, betas: tuple[float, float]) -> None:
    table = {"doc": doc, "epochs": epochs, "optim": {"betas": betas}, "arguments": {"width": 3, "on": True}}
    found = parse_recipe(table)
    assert parse_recipe(tomllib.loads(to_toml(found))) == found


def test_the_rate_scales_with_the_batch() -> None:
    assert tiny_recipe(optim={"lr": 0.1, "lr_batch": 256}, data={"batch": 512}).lr == pytest.approx(0.2)
    assert tiny_recipe(optim={"lr": 0.1}, data={"batch": 512}).lr == 0.1


def test_the_schedule_warms_up_and_ends_at_its_final_share() -> None:
    schedule = tiny_recipe(schedule={"warmup": 2, "final": 0.1}).schedule
    rates = [learning_rate(s, 100, 10, 1.0, schedule) for s in range(100)]
    assert rates[0] == pytest.approx(1 / 20)
    assert rates[19] == pytest.approx(1.0)
    assert rates[20] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.1 + 0.9 * 0.5)
    assert rates[-1] == pytest.approx(0.1, abs=2e-3)
    assert all(a >= b for a, b in itertools.pairwise(rates[20:]))
    linear = tiny_recipe(schedule={"kind": "linear", "warmup": 0}).schedule
    assert learning_rate(25, 100, 10, 1.0, linear) == pytest.approx(0.75)
