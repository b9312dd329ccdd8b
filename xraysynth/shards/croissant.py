"""`croissant.json`: the export described for search engines and loaders."""

from __future__ import annotations

from typing import Any

from xraysynth import schema
from xraysynth.shards.manifest import Manifest
from xraysynth.shards.tables import NAMES

TYPES = {"S": "sc:Text", "b": "sc:Boolean", "i": "sc:Integer", "u": "sc:Integer", "f": "sc:Float"}
HDF5 = "application/x-hdf5"

CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
REFERENCES = {
    ("objects", "sample_id"): "images/sample_id",
    ("objects", "class_id"): "classes/class_id",
}


def croissant(manifest: Manifest) -> dict[str, Any]:
    """Return the description of an export as JSON-LD.

    References
    ----------
    .. [1] MLCommons, "Croissant Format Specification", version 1.0, 2024.
    """
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"xraysynth-{manifest.settings_hash}",
        "description": (
            f"{manifest.samples} generated baggage X-ray scans with pixel masks, overlaps and "
            "confidence, in HDF5; tables of images, objects and classes."
        ),
        "license": "see README.md: the scans that trained the generator may bind its output",
        "url": "README.md",
        "version": f"{manifest.schema_version}.0.0",
        "isLiveDataset": False,
        "distribution": [
            _file(manifest.tables.name, manifest.tables.sha256),
            *(_file(shard.name, shard.sha256) for shard in manifest.shards),
        ],
        "recordSet": [_record_set(name) for name in NAMES],
    }


def _file(name: str, sha256: str) -> dict[str, Any]:
    """Return the entry of one file."""
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": HDF5,
        "sha256": sha256,
    }


def _record_set(name: str) -> dict[str, Any]:
    """Return the entry of one table."""
    table = schema.table(name)
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": table.meaning,
        "key": [{"@id": f"{name}/{column}"} for column in table.key],
        "field": [_field(name, column) for column in table.columns.values()],
    }


def _field(table: str, column: schema.Column) -> dict[str, Any]:
    """Return the entry of one column."""
    entry: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{table}/{column.name}",
        "name": column.name,
        "description": column.meaning,
        "dataType": TYPES[column.dtype.kind],
        "source": {
            "fileObject": {"@id": "tables.h5"},
            "extract": {"column": f"{table}/{column.name}"},
        },
    }
    target = REFERENCES.get((table, column.name))
    return {**entry, "references": {"field": {"@id": target}}} if target else entry
