"""Pipeline files: what is accepted, and the one sentence for everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from xraysynth.errors import InputError, SettingsError, XraysynthError
from xraysynth.pipeline.definition import load_pipeline, pipeline_from_mapping, with_overrides
from xraysynth.pipeline.stage import Context
from xraysynth.pipeline.yaml_file import parse_yaml, read_yaml
from xraysynth.settings import Settings


class Knobs(Settings):
    count: int = Field(10, ge=1, le=100)
    rate: float = Field(0.5, gt=0)


class NoWork:
    room = ""

    def __init__(self, name: str, needs: tuple[str, ...] = ()):
        self.name = name
        self.needs = needs

    def settings(self) -> type[Settings]:
        return Knobs

    def inputs(self, context: Context) -> list[Path]:
        return []

    def outputs(self, context: Context) -> list[Path]:
        return []

    def scratch(self, context: Context) -> list[Path]:
        return []

    def run(self, context: Context) -> None: ...


STAGES = {
    stage.name: stage
    for stage in [NoWork("simulate"), NoWork("prepare"), NoWork("train", ("simulate|prepare",))]
}
GOOD = "name: test\nseed: 3\nsimulate:\n  count: 20\ntrain:\n"


def load(path: Path, text: str, *overrides: str) -> dict[str, Any]:
    path.write_text(text)
    return load_pipeline(path, overrides, STAGES).resolved()


def test_defaults_are_filled_in(tmp_path: Path) -> None:
    assert load(tmp_path / "a.yaml", GOOD) == {
        "name": "test",
        "seed": 3,
        "workers": 1,
        "simulate": {"count": 20, "rate": 0.5},
        "train": {"count": 10, "rate": 0.5},
    }


def test_stages_run_in_the_order_of_the_registry_not_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("train:\nsimulate:\nname: test\n")
    assert [stage.name for stage in load_pipeline(path, (), STAGES).stages] == ["simulate", "train"]


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=9", ("seed",), 9),
        ("train.count=7", ("train", "count"), 7),
        ("simulate.rate=1e-3", ("simulate", "rate"), 1e-3),
        ("simulate.rate= 2 ", ("simulate", "rate"), 2.0),
    ],
)
def test_an_override_wins(tmp_path: Path, override: str, path: tuple[str, ...], value: Any) -> None:
    found: Any = load(tmp_path / "a.yaml", GOOD, "seed=1", override)
    for key in path:
        found = found[key]
    assert found == value


FAULTS = [
    pytest.param("smulate:", "smulate is not a setting; did you mean simulate?", id="stage"),
    pytest.param(
        "simulate: {cuont: 3}",
        "simulate.cuont is not a setting; did you mean simulate.count?",
        id="key",
    ),
    pytest.param("simulate: {zzz: 3}", "valid names are count, rate", id="key-like-nothing"),
    pytest.param("simulate: {count: many}", "simulate.count is 'many'; it should be", id="type"),
    pytest.param("simulate: {count: 0}", "simulate.count is 0; it should be greater", id="low"),
    pytest.param("simulate: {count: 101}", "simulate.count is 101; it should be less", id="high"),
    pytest.param("simulate: {rate: .nan}", "simulate.rate is nan; it should be", id="nan"),
    pytest.param("simulate: {rate: .inf}", "simulate.rate is inf; it should be", id="infinite"),
    pytest.param("simulate: [1, 2]", "simulate is \\[1, 2\\]; want a mapping", id="list"),
    pytest.param("simulate: {1: 2}", "simulate", id="number-as-key"),
    pytest.param("1: 2", "1 is not a setting", id="number-as-stage"),
    pytest.param("? [a]\n: 2", "YAML", id="list-as-key"),
    pytest.param("simulate:\nseed: -1", "seed is -1; it should be", id="seed"),
    pytest.param("simulate:\nseed: [1]", "seed is \\[1\\]", id="seed-list"),
    pytest.param("simulate:\nname2: x", "name2 is not a setting; did you mean name?", id="top"),
    pytest.param("simulate:\nseed: &a 1\nworkers: *a", "aliases are not allowed", id="alias"),
    pytest.param("simulate:\nsimulate:", "the key 'simulate' stands twice", id="twice"),
    pytest.param("simulate: {", "is not valid YAML", id="broken"),
    pytest.param("simulate: !!python/object:os.system {}", "is not valid YAML", id="python-tag"),
    pytest.param("simulate: 2001-99-99", "is not valid YAML", id="impossible-date"),
    pytest.param("simulate: " + "9" * 5000, "is not valid YAML", id="huge-number"),
    pytest.param("simulate: " + "[" * 5000, "is not valid YAML", id="deep"),
    pytest.param("simulate: \x00", "is not valid YAML", id="control-character"),
    pytest.param("train:", "train needs one stage of simulate or prepare", id="need"),
    pytest.param("simulate:\nprepare:\ntrain:", "both simulate and prepare are", id="two-makers"),
    pytest.param("seed: 1", "has no stage; want at least one of simulate, prepare", id="no-stage"),
    pytest.param("simulate: {count: " + "x" * 10000 + "}", "simulate.count is 'xxx", id="long"),
]


@pytest.mark.parametrize(("text", "sentence"), FAULTS)
def test_a_fault_is_named_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        load(tmp_path / "a.yaml", f"name: test\n{text}\n")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("train.count", "--set train.count has no value; want --set stage.field=value"),
        ("=3", "has no value"),
        ("train..count=3", "has no value"),
        ("seed.deep=3", "seed is one value, not a mapping"),
        ("trian.count=3", "trian is not a setting; did you mean train?"),
        ("train.count=[", "--set train.count is not valid YAML"),
        ("train=3", "train is 3; want a mapping"),
    ],
)
def test_a_bad_override_is_named(tmp_path: Path, override: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        load(tmp_path / "a.yaml", GOOD, override)


@pytest.mark.parametrize("text", ["", "3", "[name, seed]", "just words", "null"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="is not a mapping"):
        load(tmp_path / "a.yaml", text)


def test_a_large_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="larger than 1 MiB"):
        load(tmp_path / "a.yaml", "# " + "x" * (1 << 20))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(SettingsError, match="is not valid YAML"):
        read_yaml(path)


def test_a_folder_is_no_pipeline(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder; want a pipeline file"):
        load_pipeline(tmp_path)


def test_a_missing_pipeline_names_the_nearest_bundled_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither a file nor .*; did you mean quickstart\?"):
        load_pipeline(tmp_path / "quikstart.yaml")


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused_in_one_sentence(text: str) -> None:
    try:
        pipeline_from_mapping(with_overrides({}, [f"simulate={text}", f"{text}=1"]), STAGES)
    except XraysynthError as error:
        assert str(error)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("abc "),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_plain_values_survive_yaml(value: Any) -> None:
    assert parse_yaml(yaml.safe_dump(value), "test") == value
