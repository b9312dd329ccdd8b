"""A pipeline file: `name`, `seed`, `workers`, then one mapping of settings a stage."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import pydantic

from xraysynth.errors import InputError, SettingsError
from xraysynth.pipeline.registry import STAGES
from xraysynth.pipeline.stage import Stage
from xraysynth.pipeline.yaml_file import parse_yaml, read_yaml
from xraysynth.settings import Settings, nearest, settings_from_mapping, unknown_name


class RunSettings(Settings):
    """What a pipeline file says about the run as a whole."""

    name: str = pydantic.Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    """Name of the run; its folder is runs/NAME unless `--out` says otherwise."""
    seed: int = pydantic.Field(0, ge=0, lt=2**63)
    """Everything random follows from it: the same seed makes the same files."""
    workers: int = pydantic.Field(1, ge=1, le=256)
    """Processes that may work at once. Never changes what is made."""


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A checked pipeline: which stages run, in which order, with which settings."""

    run: RunSettings
    stages: tuple[Stage, ...]
    """In the order in which they run."""
    settings: Mapping[str, Settings]
    """By the name of the stage."""

    def resolved(self) -> dict[str, Any]:
        """Return every setting, defaults included, as plain values for JSON or YAML."""
        stages = {name: one.model_dump(mode="json") for name, one in self.settings.items()}
        return {**self.run.model_dump(mode="json"), **stages}


def load_pipeline(
    path: Path | str,
    overrides: Sequence[str] = (),
    stages: Mapping[str, Stage] = STAGES,
) -> Pipeline:
    """Read and check a pipeline file.

    Parameters
    ----------
    path : a file, or the bare name of a pipeline that comes with xraysynth ("quickstart")
    overrides : "stage.field=value", values in YAML; later ones win
    stages : every stage that may be named, in the order in which they run

    Raises
    ------
    InputError
        If there is no such file.
    SettingsError
        Unknown stage or setting (with the nearest valid name), wrong type, out of range,
        a stage whose inputs no stage makes. `where` is the path of the key.

    Examples
    --------
    >>> load_pipeline("quickstart", ["seed=7"]).run.seed
    7
    """
    mapping = read_yaml(find_pipeline(path))
    if not isinstance(mapping, dict):
        raise SettingsError(
            f"{path} is not a mapping; want `name`, `seed` and one mapping a stage.",
            code="settings",
        )
    return pipeline_from_mapping(with_overrides(mapping, overrides), stages)


def pipeline_from_mapping(
    mapping: Mapping[str, Any], stages: Mapping[str, Stage] = STAGES
) -> Pipeline:
    """Check the mapping that a pipeline file holds; raises as `load_pipeline` does."""
    top = list(RunSettings.model_fields)
    for key in mapping:
        if key not in top and key not in stages:
            raise SettingsError(
                unknown_name("", str(key)[:60], [*top, *stages]), code="settings", where=str(key)
            )
    run = settings_from_mapping(RunSettings, {key: mapping[key] for key in top if key in mapping})
    chosen = tuple(stage for name, stage in stages.items() if name in mapping)
    if not chosen:
        raise SettingsError(
            f"{run.name} has no stage; want at least one of {', '.join(stages)}.", code="settings"
        )
    _check_needs(chosen)
    # A stage without settings of its own is written `audit:` and reads as None.
    settings = {
        stage.name: settings_from_mapping(
            stage.settings(), {} if mapping[stage.name] is None else mapping[stage.name], stage.name
        )
        for stage in chosen
    }
    return Pipeline(run=run, stages=chosen, settings=settings)


def find_pipeline(path: Path | str) -> Path:
    """Return the file of a pipeline that is named by its path or its bundled name."""
    path = Path(path)
    if path.exists():
        return path
    bundled = bundled_pipelines()
    if path.parent == Path() and path.stem in bundled:
        return bundled[path.stem]
    guess = nearest(path.stem, list(bundled))
    hint = f"did you mean {guess}?" if guess else f"bundled ones are {', '.join(bundled)}."
    raise InputError(f"{path} is neither a file nor a bundled pipeline; {hint}", where=str(path))


def bundled_pipelines() -> dict[str, Path]:
    """Return the pipelines that come with xraysynth, by name."""
    folder = Path(str(resources.files("xraysynth.pipelines")))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def with_overrides(mapping: Mapping[str, Any], overrides: Iterable[str]) -> dict[str, Any]:
    """Return the mapping with values put in by "a.b=value" texts.

    Examples
    --------
    >>> with_overrides({"seed": 0, "learn": {"steps": 9}}, ["learn.steps=3", "seed=1"])
    {'seed': 1, 'learn': {'steps': 3}}
    """
    result = copy.deepcopy(dict(mapping))
    for override in overrides:
        path, equals, text = override.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys):
            raise SettingsError(
                f"--set {override} has no value; want --set stage.field=value.", code="settings"
            )
        _put(result, keys, parse_yaml(text, f"--set {path}"))
    return result


def _put(mapping: dict[str, Any], keys: list[str], value: Any) -> None:
    """Set one value, making the mappings on the way to it."""
    for depth, key in enumerate(keys[:-1], start=1):
        if mapping.get(key) is None:
            mapping[key] = {}
        mapping = mapping[key]
        if not isinstance(mapping, dict):
            raise SettingsError(
                f"--set {'.'.join(keys)}: {'.'.join(keys[:depth])} is one value, not a mapping; "
                "set it as a whole.",
                code="settings",
            )
    mapping[keys[-1]] = value


def _check_needs(chosen: Sequence[Stage]) -> None:
    """Raise if a stage reads what no earlier stage makes, or two make the same."""
    before: list[str] = []
    for stage in chosen:
        for need in (need for need in stage.needs if not need.endswith("?")):
            makers = [name for name in before if name in need.split("|")]
            if len(makers) != 1:
                found = f"both {' and '.join(makers)} are" if makers else "none is"
                raise SettingsError(
                    f"{stage.name} needs one stage of {' or '.join(need.split('|'))} before it, "
                    f"and {found} in the pipeline; name one.",
                    code="settings",
                    where=stage.name,
                )
        before.append(stage.name)
