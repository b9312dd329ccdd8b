"""The two parts of the page that are drawn in the browser."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import PIL.Image
from nicegui.element import Element

from xraysynth.oneshot.annotate.desk import DeskScan
from xraysynth.oneshot.annotate.lesson import LabelledScan
from xraysynth.oneshot.annotate.runs import runs_from
from xraysynth.oneshot.exemplar import ScanNumber, class_colours, display_image


class LabelEditor(Element, component="editor.js", esm={"xraysynth-annotate": "static"}):
    """Tools, canvas and classes.

    Events: `labels` {key, runs}, `add-class` name, `remove-class` place, `learn`, `save`.
    """

    def __init__(self, known: Sequence[str]) -> None:
        super().__init__()
        self._props["known"] = list(known)
        self._props["frozen"] = False

    def show(self, scan: DeskScan, label_map: np.ndarray, class_names: Sequence[str]) -> None:
        """Show a scan with its labels."""
        self._props["scan"] = {
            "key": key_of(scan.scan),
            "number": scan.scan.index,
            "url": picture_url(scan.image),
            "width": scan.image.shape[1],
            "height": scan.image.shape[0],
            "groups": [base64.b64encode(groups.tobytes()).decode() for groups in scan.groups],
        }
        self._props["labels"] = runs_from(label_map)
        self._props["classes"] = class_styles(class_names)
        self.update()

    def freeze(self) -> None:
        """Take no further changes."""
        self._props["frozen"] = True
        self.update()


class ResultTiles(Element, component="results.js"):
    """Fresh scans with their labels. Event: `correct` key."""

    def __init__(self) -> None:
        super().__init__()
        self._props["bare"] = False
        self.show([], ["background"])

    def show(self, scans: Sequence[LabelledScan], class_names: Sequence[str]) -> None:
        """Show labelled scans."""
        self._props["classes"] = class_styles(class_names)
        self._props["tiles"] = [
            {
                "key": key_of(labelled.scan),
                "number": labelled.scan.index,
                "url": picture_url(labelled.image),
                "width": labelled.image.shape[1],
                "height": labelled.image.shape[0],
                "labels": runs_from(labelled.label_map),
                "confidence": labelled.confidence,
            }
            for labelled in scans
        ]
        self.update()

    def bare(self, on: bool) -> None:
        """Show the scans without their labels, or with them."""
        self._props["bare"] = on
        self.update()


def key_of(scan: ScanNumber) -> str:
    """Return a name for a scan, unique on the page."""
    return f"{scan.seed}-{scan.index}-{scan.truncation_psi:g}"


def class_styles(class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Return name and colour of each class."""
    return [
        {"name": name, "colour": list(colour)}
        for name, colour in zip(class_names, class_colours(class_names), strict=True)
    ]


def picture_url(image: np.ndarray) -> str:
    """Return a scan (H, W, C) as the address of a picture that holds its pixels."""
    data = io.BytesIO()
    PIL.Image.fromarray(display_image(image)).save(data, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"
