"""The page: proposed scans, the editor, and what the labels teach."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from xraysynth.errors import InputError, XraysynthError
from xraysynth.oneshot.annotate.desk import Desk
from xraysynth.oneshot.annotate.elements import LabelEditor, ResultTiles, key_of
from xraysynth.oneshot.annotate.lesson import LabelledScan, fresh_scans, teach
from xraysynth.oneshot.annotate.markup import button, enable, set_text, text_in
from xraysynth.oneshot.annotate.row import ScanRow
from xraysynth.oneshot.annotate.runs import label_map_from
from xraysynth.oneshot.segmenter import Segmenter
from xraysynth.schema import class_names as known_classes

STYLE = (Path(__file__).parent / "static" / "page.css").read_text(encoding="utf-8")
TILES = 6
"""Fresh scans at a time."""


@dataclass(kw_only=True)
class Room:
    """What all loads of the page share: the desk, the last lesson, and whose turn it is."""

    desk: Desk
    segmenter: Segmenter | None = None
    tiles: list[LabelledScan] = field(default_factory=list)
    first: int = 0
    """Fresh scans shown so far."""
    said: str = ""
    busy: bool = False
    page: Page | None = None
    """The load that may change labels: the latest."""


class Page:
    """One load of the page."""

    def __init__(self, room: Room) -> None:
        self.room, self.desk = room, room.desk
        if room.page is not None:
            room.page.retire()
        room.page = self
        ui.add_css(STYLE)
        self._build_header()
        self._row = ScanRow(self._on_choose)
        with ui.element("main").classes("work"):
            self._editor = LabelEditor(known_classes())
            self._build_lesson()
        self._client = self._editor.client
        self._listen()
        self._show_scan()
        self._show_lesson()
        self._say(room.said or self._state())

    # What is on the page.

    def _build_header(self) -> None:
        desk = self.desk
        height, width = desk.generator.size_px
        with ui.element("header").classes("top"):
            text_in("h1", "xraysynth annotate")
            text_in("span", f"{width} x {height} px, saves to {desk.folder}").classes("about")
            self._says = (
                text_in("span", "").classes("says").props('role="status" aria-live="polite"')
            )
            self._learn = button("Learn", self._on_learn, "Train on the labels so far: key L")
            self._learn.classes("main").props('data-do="learn"')
            save = button("Save exemplar", self._on_save, "For xraysynth learn: Ctrl+S")
            save.props('data-do="save"')

    def _build_lesson(self) -> None:
        label = 'aria-label="What the labels teach"'
        with ui.element("section").classes("lesson").props(label):
            with ui.element("div").classes("bar"):
                text_in("h2", "Fresh scans")
                self._more = button("More", self._on_more, "Other fresh scans")
                self._more.props('data-do="more"')
                self._bare = button("Hide labels", self._on_bare, "Show the scans alone")
                self._bare.props('aria-pressed="false"')
            self._hint = text_in("p", "").classes("hint")
            self._tiles = ResultTiles()

    def _show_scan(self) -> None:
        place = self.desk.current
        self._editor.show(
            self.desk.scans[place], self.desk.label_maps[place], self.desk.class_names
        )
        self._row.show(self.desk)

    def _show_lesson(self) -> None:
        tiles = self.room.tiles
        self._tiles.show(tiles, self.desk.class_names)
        self._tiles.set_visibility(bool(tiles))
        self._hint.set_visibility(not tiles)
        set_text(
            self._hint,
            "Label one scan: choose a class by its number, then click its regions with Fill group, "
            "or outline them. Press Learn to see here how fresh scans come out.",
        )
        enable(self._more, bool(tiles))
        enable(self._bare, bool(tiles))

    def _say(self, text: str, trouble: bool = False) -> None:
        self.room.said = "" if trouble else text
        self._says.classes(add="trouble" if trouble else "", remove="" if trouble else "trouble")
        set_text(self._says, f"⚠ {text}" if trouble else text)

    def _state(self) -> str:
        n_labelled = len(self.desk.labelled())
        return (
            f"{n_labelled} labelled, work is kept as you go" if n_labelled else "nothing labelled"
        )

    # What happens on it.

    def _listen(self) -> None:
        editor = self._editor
        editor.on("labels", self._on_labels)
        editor.on("add-class", lambda e: self._on_class(lambda: self.desk.add_class(str(e.args))))
        editor.on("remove-class", lambda e: self._on_class(lambda: self._remove(e.args)))
        editor.on("learn", self._on_learn)
        editor.on("save", self._on_save)
        self._tiles.on("correct", self._on_correct)

    async def _on_labels(self, event: GenericEventArguments) -> None:
        def relabel() -> None:
            places = {key_of(scan.scan): place for place, scan in enumerate(self.desk.scans)}
            place = places[event.args["key"]]
            shape = self.desk.label_maps[place].shape
            n_classes = len(self.desk.class_names)
            runs = event.args["runs"]
            self.desk.relabel(place, label_map_from(runs, (shape[0], shape[1]), n_classes))
            # Without telling the editor: it knows, and may be further already.
            if place == self.desk.current:
                self._editor._props["labels"] = runs
            self._row.show(self.desk)

        if await self._attempt(relabel) and not self.room.busy:
            self._say(self._state())

    async def _on_choose(self, place: int) -> None:
        await self._attempt(lambda: self.desk.choose(place))
        self._show_scan()

    async def _on_class(self, change: Callable[[], None]) -> None:
        if await self._attempt(change):
            self._show_scan()
            self._show_lesson()

    def _remove(self, place: Any) -> None:
        self.desk.remove_class(int(place))
        self.room.tiles = []

    async def _on_learn(self, _: Any = None) -> None:
        if self.room.busy:
            return
        self.room.busy = True
        enable(self._learn, False)
        self._say("Learning …")
        try:
            await self._attempt(self._learn_now)
        finally:
            self.room.busy = False
            enable(self._learn, True)

    async def _learn_now(self) -> None:
        started = time.monotonic()
        exemplars = self.desk.exemplars()
        # In a thread: drawing goes on meanwhile.
        self.room.segmenter = await asyncio.to_thread(teach, self.desk, exemplars)
        self.room.first = 0
        await self._fresh()
        seconds = time.monotonic() - started
        plural = "" if len(exemplars) == 1 else "s"
        self._say(f"learned from {len(exemplars)} scan{plural} in {seconds:.1f} s")

    async def _fresh(self) -> None:
        room = self.room
        if room.segmenter is None:
            return
        names = tuple(self.desk.class_names)
        room.tiles = await asyncio.to_thread(
            fresh_scans, self.desk, room.segmenter, names, range(room.first, room.first + TILES)
        )
        room.first += TILES
        self._show_lesson()

    async def _on_more(self, _: Any = None) -> None:
        await self._attempt(self._fresh)

    async def _on_bare(self, _: Any = None) -> None:
        on = self._bare.props["aria-pressed"] == "false"
        self._bare.props["aria-pressed"] = "true" if on else "false"
        self._bare.update()
        self._tiles.bare(on)

    async def _on_correct(self, event: GenericEventArguments) -> None:
        def correct() -> None:
            found = [tile for tile in self.room.tiles if key_of(tile.scan) == event.args]
            if not found:
                raise InputError("that fresh scan has gone; choose one of those that are shown.")
            tile = found[0]
            place = self.desk.find(tile.scan)
            if place is None:
                self.desk.put([tile.scan], ["to correct"])
                place = len(self.desk.scans) - 1
                self.desk.label_maps[place] = tile.label_map
            self.desk.choose(place)

        if await self._attempt(correct):
            self._show_scan()
            self._say("correct what is wrong here, then learn again from both")

    async def _on_save(self, _: Any = None) -> None:
        if await self._attempt(self.desk.save):
            n_labelled = len(self.desk.labelled())
            plural = "exemplar" if n_labelled == 1 else f"{n_labelled} exemplars"
            self._say(f"saved {plural}: xraysynth learn --exemplar {self.desk.folder} …")

    async def _attempt(self, change: Callable[[], Any | Awaitable[Any]]) -> bool:
        """Do something that the user asked for; tell whether it worked, and why if not."""
        if self.room.page is not self:
            self._say("the page was opened again elsewhere; reload to go on here", trouble=True)
            return False
        try:
            result = change()
            if isinstance(result, Awaitable):
                await result
        except XraysynthError as error:
            self._say(str(error), trouble=True)
            return False
        return True

    def retire(self) -> None:
        """Leave the labels to another load of the page."""
        if self._client.has_socket_connection:
            with self._client:
                self._editor.freeze()
                self._says.classes(add="trouble")
                set_text(self._says, "⚠ opened again elsewhere; reload to go on here")
