"""The row of scans to choose from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from nicegui import ui

from xraysynth.oneshot.annotate.desk import Desk, DeskScan
from xraysynth.oneshot.annotate.elements import key_of, picture_url
from xraysynth.oneshot.annotate.markup import set_text, text_in


@dataclass(frozen=True, kw_only=True)
class _Thumbnail:
    """One scan of the row."""

    button: ui.element
    mark: ui.element
    """Says that the scan is labelled."""


class ScanRow:
    """Thumbnails of the scans on the desk; the same ones stay, so that no click is lost."""

    def __init__(self, choose: Callable[[int], Awaitable[None]]) -> None:
        self._choose = choose
        self._thumbnails: list[_Thumbnail] = []
        self._row = ui.element("nav").classes("row-of-scans").props('aria-label="Proposed scans"')
        with self._row, ui.element("h2"):
            text_in("span", "Scans worth labelling")
            text_in("small", "Best first. One is enough; a second helps where it fails.")

    def show(self, desk: Desk) -> None:
        """Show what is on the desk, which scan is chosen, and which ones have labels."""
        for place in range(len(self._thumbnails), len(desk.scans)):
            self._thumbnails.append(self._thumbnail(place, desk.scans[place]))
        labelled = set(desk.labelled())
        for place, (thumbnail, scan) in enumerate(zip(self._thumbnails, desk.scans, strict=True)):
            props = thumbnail.button.props
            words = f"Scan {scan.scan.index}, {scan.note}{', labelled' * (place in labelled)}"
            pressed = "true" if place == desk.current else "false"
            if (props.get("aria-label"), props.get("aria-pressed")) == (words, pressed):
                continue
            props["aria-label"], props["aria-pressed"] = words, pressed
            thumbnail.button.update()
            set_text(thumbnail.mark, "✓ labelled" if place in labelled else "")

    def _thumbnail(self, place: int, scan: DeskScan) -> _Thumbnail:
        """Return a new thumbnail at the end of the row."""

        async def choose() -> None:
            await self._choose(place)

        with self._row:
            button = ui.element("button").classes("scan").on("click", choose)
        button.props["type"], button.props["data-scan"] = "button", key_of(scan.scan)
        with button:
            picture = ui.element("img")
            picture.props["src"], picture.props["alt"] = picture_url(scan.image), ""
            with ui.element("b"):
                text_in("span", str(scan.scan.index))
                mark = text_in("span", "")
            text_in("span", scan.note).classes("note")
        return _Thumbnail(button=button, mark=mark)
