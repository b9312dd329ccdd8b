"""Frozen settings, checked once, with sentences for what is wrong."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Mapping
from typing import Any, TypeVar

import pydantic

from xraysynth.errors import SettingsError


class Settings(pydantic.BaseModel):
    """Base of every config: frozen, keyword-only, refuses unknown keys and wrong types.

    Fields carry unit and range: `kimg: float = Field(4.0, gt=0)`, with a docstring below.
    """

    model_config = pydantic.ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
    )


SettingsT = TypeVar("SettingsT", bound=Settings)


def settings_from_mapping(
    kind: type[SettingsT], mapping: Mapping[str, Any], where: str = ""
) -> SettingsT:
    """Return validated settings, or raise one sentence about the first fault.

    Parameters
    ----------
    kind : subclass of Settings
    mapping : as read from YAML
    where : path of the mapping inside the whole file, such as "train_gan"

    Raises
    ------
    SettingsError
        Unknown key (with the nearest valid name), wrong type, value out of range.
        `where` of the error is the path of the key.

    Examples
    --------
    >>> class Tube(Settings):
    ...     kvp: float = pydantic.Field(160.0, ge=100, le=200)
    >>> settings_from_mapping(Tube, {"kpv": 140}, "tube")
    Traceback (most recent call last):
    ...
    xraysynth.errors.SettingsError: tube.kpv is not a setting; did you mean tube.kvp?
    """
    if not isinstance(mapping, Mapping):
        raise SettingsError(
            f"{where or 'the settings'} is {reprlib.repr(mapping)}; "
            "want a mapping of names to values.",
            where=where,
        )
    try:
        return kind.model_validate(dict(mapping))
    except pydantic.ValidationError as error:
        path, sentence = _first_fault(kind, error.errors()[0], where)
        raise SettingsError(sentence, code="settings", where=path) from None


def nearest(name: str, names: list[str]) -> str:
    """Return the valid name most like `name`, or "" if none is near."""
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.5)), "")


def unknown_name(path: str, name: str, names: list[str]) -> str:
    """Return the sentence for a key that does not exist, with the nearest that does."""
    prefix = f"{path}." if path else ""
    guess = nearest(name, names)
    hint = (
        f"did you mean {prefix}{guess}?"
        if guess
        else f"valid names are {', '.join(sorted(names))}."
    )
    return f"{prefix}{name} is not a setting; {hint}"


def _first_fault(kind: type[Settings], fault: Any, where: str) -> tuple[str, str]:
    """Return the path of the faulty key and the sentence about it."""
    parts = [str(part) for part in fault["loc"]]
    path = ".".join([*([where] if where else []), *parts])
    if fault["type"] == "extra_forbidden":
        parent = ".".join([*([where] if where else []), *parts[:-1]])
        names = list(_model_at(kind, parts[:-1]).model_fields)
        return path, unknown_name(parent, parts[-1], names)
    if fault["type"] == "missing":
        return path, f"{path} is missing; want {fault['msg'].lower()}."
    wanted = fault["msg"].removeprefix("Value error, ").removeprefix("Input ").rstrip(".")
    end = "" if wanted.endswith("?") else "."
    if isinstance(fault["input"], Mapping) and not wanted.startswith("should"):
        # Of several settings together; the sentence begins with the name of one.
        return path, f"{path}{'.' if path else ''}{wanted}{end}"
    found = f"{path or 'the settings'} is {reprlib.repr(fault['input'])}"
    return path, f"{found}; it {wanted}{end}"


def _model_at(kind: type[Settings], parts: list[str]) -> type[Settings]:
    """Return the settings class that holds the key below `parts`."""
    for part in parts:
        field = kind.model_fields.get(part)
        annotation = field.annotation if field else None
        for candidate in (annotation, *getattr(annotation, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, Settings):
                kind = candidate
                break
    return kind
