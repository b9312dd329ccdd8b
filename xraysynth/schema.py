"""What a table may hold: reads `data_schema/*.yaml`, where every column is defined once."""

from __future__ import annotations

import functools
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from xraysynth.errors import SchemaError

VERSION = 1
"""Version of the columns, tables and classes; stored in every file that holds them."""

MAX_CLASSES = 32
"""Overlaps have one bit a class in a uint32."""


@dataclass(frozen=True, kw_only=True)
class ClassInfo:
    """One class that a mask can hold."""

    id: int
    """Value in the masks; 0 is background."""
    name: str
    group: str
    """background, bag, clutter or threat."""
    colour: tuple[int, int, int]
    """RGB for overlays, 0 to 255."""
    meaning: str = ""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    dtype: np.dtype[Any]
    unit: str
    meaning: str
    smallest: float | None = None
    largest: float | None = None


@dataclass(frozen=True, kw_only=True)
class Table:
    """One table: its columns in order, and those that name a row."""

    name: str
    meaning: str
    key: tuple[str, ...]
    columns: dict[str, Column]


@functools.cache
def load_yaml(name: str) -> Mapping[str, Any]:
    """Return a file of `data_schema/`, such as "classes.yaml", as a mapping."""
    mapping = yaml.safe_load((_folder() / name).read_text(encoding="utf-8"))
    if mapping["version"] != VERSION:
        raise SchemaError(
            f"data_schema/{name} is of version {mapping['version']}; this xraysynth reads version "
            f"{VERSION}. Install xraysynth again."
        )
    return dict(mapping)


@functools.cache
def classes() -> dict[str, ClassInfo]:
    """Return every class by its name, in the order of the ids.

    Examples
    --------
    >>> classes()["gun"].group
    'threat'
    """
    return {
        name: ClassInfo(
            id=class_id,
            name=name,
            group=entry["group"],
            colour=(entry["colour"][0], entry["colour"][1], entry["colour"][2]),
            meaning=entry["meaning"],
        )
        for class_id, (name, entry) in enumerate(load_yaml("classes.yaml")["classes"].items())
    }


def class_names() -> list[str]:
    """Return the names of the classes; the place in the list is the id.

    Examples
    --------
    >>> class_names()[:2]
    ['background', 'bag']
    """
    return list(classes())


def check_codes() -> dict[str, str]:
    """Return what each code of an error or finding means."""
    return dict(load_yaml("checks.yaml")["checks"])


@functools.cache
def table(name: str) -> Table:
    """Return the definition of a table.

    Raises
    ------
    SchemaError
        If there is no such table.
    """
    tables = load_yaml("tables.yaml")["tables"]
    if name not in tables:
        raise SchemaError(
            f"{name!r} is not a table; want one of {', '.join(tables)}.", code="schema-table"
        )
    entry = tables[name]
    columns = {
        column: _column(column, override or {}) for column, override in entry["columns"].items()
    }
    return Table(name=name, meaning=entry["meaning"], key=tuple(entry["key"]), columns=columns)


def table_dtype(name: str) -> np.dtype[Any]:
    """Return the compound type of a table's rows, packed, text as fixed-length bytes.

    Examples
    --------
    >>> table_dtype("scans")["seed"]
    dtype('int64')
    """
    return np.dtype([(column.name, column.dtype) for column in table(name).columns.values()])


def validate(name: str, rows: Any) -> None:
    """Check the rows of a table against `data_schema/`.

    Parameters
    ----------
    name : scans, items, images, objects or classes
    rows : compound array (row,) or pandas frame

    Raises
    ------
    SchemaError
        The first fault: columns, types, text length, ranges, keys. `where` is the column.
    """
    definition = table(name)
    found = _names(rows)
    if set(found) != set(definition.columns):
        missing = sorted(set(definition.columns) - set(found))
        extra = sorted(set(found) - set(definition.columns))
        raise SchemaError(
            f"table {name} lacks columns {missing} and has {extra} too many; want exactly "
            f"{list(definition.columns)}.",
            code="schema-columns",
            where=name,
        )
    for column in definition.columns.values():
        _check_column(f"{name}.{column.name}", column, np.asarray(rows[column.name]))
    _check_key(definition, rows)


def _folder() -> Traversable:
    """Return the folder of the YAML files, installed or beside the source."""
    try:
        return importlib.resources.files("xraysynth.data_schema")
    except ModuleNotFoundError:
        return Path(__file__).parent.parent / "data_schema"


def _column(name: str, override: Mapping[str, Any]) -> Column:
    """Return a column of columns.yaml with what its table overrides."""
    entry = {**load_yaml("columns.yaml")["columns"][name], **override}
    smallest, largest = entry.get("range", (None, None))
    return Column(
        name=name,
        dtype=np.dtype(entry["dtype"]),
        unit=entry["unit"],
        meaning=entry["meaning"],
        smallest=smallest,
        largest=largest,
    )


def _names(rows: Any) -> list[str]:
    """Return the column names of a compound array or a frame."""
    if isinstance(rows, np.ndarray):
        return list(rows.dtype.names or ())
    return [str(name) for name in rows.columns]


def _check_column(where: str, column: Column, values: np.ndarray) -> None:
    """Raise if the values of one column are not what the schema says."""
    if column.dtype.kind == "S":
        _check_text(where, column, values)
        return
    if not _fits(values.dtype, column.dtype):
        raise SchemaError(
            f"{where} is {values.dtype}; want {column.dtype}.", code="schema-dtype", where=where
        )
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise SchemaError(
            f"{where} has values that are not finite; want numbers.",
            code="schema-range",
            where=where,
        )
    smallest = -np.inf if column.smallest is None else column.smallest
    largest = np.inf if column.largest is None else column.largest
    wrong = values[(values < smallest) | (values > largest)]
    if wrong.size:
        raise SchemaError(
            f"{where} has the value {wrong[0]}; want {smallest} to {largest}"
            f"{' ' + column.unit if column.unit else ''}.",
            code="schema-range",
            where=where,
        )


def _fits(found: np.dtype[Any], wanted: np.dtype[Any]) -> bool:
    """Tell whether a stored type serves; HDF5 hands booleans back as uint8."""
    if wanted.kind == "b":
        return found.kind == "b" or found == np.uint8
    return bool(found == wanted)


def _check_text(where: str, column: Column, values: np.ndarray) -> None:
    """Raise if the values are not text, or too long."""
    room = column.dtype.itemsize
    if values.dtype.kind == "S":
        too_long = (
            values.dtype.itemsize > room and int(np.strings.str_len(values).max(initial=0)) > room
        )
    else:
        if not all(isinstance(value, str) for value in values):
            raise SchemaError(
                f"{where} is {values.dtype}; want text.", code="schema-dtype", where=where
            )
        too_long = any(len(value.encode()) > room for value in values)
    if too_long:
        raise SchemaError(
            f"{where} has text longer than {room} bytes; shorten it.",
            code="schema-text",
            where=where,
        )


def _check_key(definition: Table, rows: Any) -> None:
    """Raise if two rows have the same key."""
    seen: set[tuple[Any, ...]] = set()
    for key in zip(*(np.asarray(rows[name]).tolist() for name in definition.key), strict=True):
        if key in seen:
            raise SchemaError(
                f"table {definition.name} has two rows with {'/'.join(definition.key)} {key}; "
                "want each once.",
                code="schema-key",
                where=definition.name,
            )
        seen.add(key)
