"""Write the tables of README.md from `data_schema/`: `python tools/make_schema_table.py`.

What lies between the two markers is replaced; `tests/test_readme.py` holds it equal.
"""

from __future__ import annotations

from pathlib import Path

from xraysynth import schema

README = Path(__file__).parents[1] / "README.md"
BEGIN = "<!-- schema: made by tools/make_schema_table.py from data_schema/ -->"
END = "<!-- end of schema -->"
TABLES = {
    "images": "`images` in `tables.h5`, `/metadata` in each shard",
    "objects": "`objects` in `tables.h5`",
    "classes": "`classes` in `tables.h5`",
}


def interval(column: schema.Column) -> str:
    """Return the allowed range as text; open ends are left out."""
    low, high = column.smallest, column.largest
    if low is None and high is None:
        return ""
    if high is None:
        return f"≥ {low:g}"
    return f"≤ {high:g}" if low is None else f"{low:g} to {high:g}"


def markdown_table(name: str, where: str) -> str:
    """Return one table of the schema as Markdown."""
    table = schema.table(name)
    lines = [
        f"**{where}**: {table.meaning}; key `{', '.join(table.key)}`.",
        "",
        "| column | type | unit | range | meaning |",
        "|---|---|---|---|---|",
    ]
    for column in table.columns.values():
        kind = (
            f"text, {column.dtype.itemsize} bytes"
            if column.dtype.kind == "S"
            else str(column.dtype)
        )
        meaning = column.meaning.replace("|", "\\|")
        lines.append(
            f"| `{column.name}` | {kind} | {column.unit} | {interval(column)} | {meaning} |"
        )
    return "\n".join(lines)


def schema_section() -> str:
    """Return everything from marker to marker."""
    tables = "\n\n".join(markdown_table(name, where) for name, where in TABLES.items())
    return f"{BEGIN}\n\n{tables}\n\n{END}"


def current_section(text: str) -> str:
    """Return what stands from marker to marker in the text of the README."""
    return text[text.index(BEGIN) : text.index(END) + len(END)]


def main() -> None:
    """Bring README.md up to date."""
    text = README.read_text(encoding="utf-8")
    README.write_text(text.replace(current_section(text), schema_section()), encoding="utf-8")


if __name__ == "__main__":
    main()
