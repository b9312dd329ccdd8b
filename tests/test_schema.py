"""The schema: every column once, tables that follow from it, faults named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from xraysynth import schema
from xraysynth.errors import SchemaError

TABLES = ["scans", "items", "parts", "images", "objects", "classes"]


def valid_rows(name: str, count: int = 2) -> np.ndarray:
    """Return rows that satisfy the schema, with distinct keys."""
    rows = np.zeros(count, schema.table_dtype(name))
    for column in schema.table(name).columns.values():
        if column.dtype.kind == "S":
            rows[column.name] = [f"{column.name[:3]}{i}".encode() for i in range(count)]
        else:
            rows[column.name] = 1 if column.smallest == 1 else 0
    for key in schema.table(name).key:
        if rows[key].dtype.kind != "S":
            rows[key] = np.arange(count)
    return rows


def test_background_is_class_zero_and_threats_are_there() -> None:
    names = schema.class_names()
    assert names[0] == "background"
    assert {"gun", "knife", "wrench", "scissors"} <= set(names)
    assert [info.id for info in schema.classes().values()] == list(range(len(names)))
    assert len(names) <= schema.MAX_CLASSES


def test_every_column_is_used_and_described() -> None:
    used = {column for name in TABLES for column in schema.table(name).columns}
    described = schema.load_yaml("columns.yaml")["columns"]
    assert set(described) == used
    assert all(entry["meaning"] for entry in described.values())


@pytest.mark.parametrize("name", TABLES)
def test_valid_rows_pass_as_array_and_as_frame(name: str) -> None:
    rows = valid_rows(name)
    schema.validate(name, rows)
    frame = pd.DataFrame(
        {
            c: np.strings.decode(rows[c]) if rows[c].dtype.kind == "S" else rows[c]
            for c in rows.dtype.names or ()
        }
    )
    schema.validate(name, frame)
    schema.validate(name, rows[:0])


def test_tables_of_one_file_share_only_keys() -> None:
    images, objects, classes = (set(schema.table(n).columns) for n in TABLES[3:])
    assert images & objects == {"sample_id"}
    assert objects & classes == {"class_id", "class_name"}
    assert not images & classes


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        pytest.param("foreground_share", 1.5, "schema-range", id="above"),
        pytest.param("n_objects", -1, "schema-range", id="below"),
        pytest.param("mean_confidence", np.nan, "schema-range", id="nan"),
    ],
)
def test_value_out_of_range_names_the_column(column: str, value: float, code: str) -> None:
    rows = valid_rows("images")
    rows[column][1] = value
    with pytest.raises(SchemaError, match=f"images.{column}") as caught:
        schema.validate("images", rows)
    assert caught.value.code == code
    assert caught.value.code in schema.check_codes()


def test_double_key_missing_column_wrong_type_and_long_text_are_told_apart() -> None:
    frame = pd.DataFrame(
        {
            c: ["a", "b"] if d[0].kind == "S" else np.ones(2, d[0])
            for c, d in (schema.table_dtype("images").fields or {}).items()
        }
    )
    faults = {
        "schema-key": frame.assign(sample_id="same"),
        "schema-columns": frame.drop(columns="phash"),
        "schema-dtype": frame.assign(n_objects=["1", "2"]),
        "schema-text": frame.assign(phash="f" * 17),
    }
    for code, faulty in faults.items():
        with pytest.raises(SchemaError) as caught:
            schema.validate("images", faulty)
        assert caught.value.code == code


def test_unknown_table_lists_the_known_ones() -> None:
    with pytest.raises(SchemaError, match="'image' is not a table; want one of scans"):
        schema.table_dtype("image")
