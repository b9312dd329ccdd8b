"""What the page works on: scans with their groups, the classes, and the labels so far.

Nothing here knows of the page. Every change is written to `annotate.json` at once, whole or not at
all, so that a reload, a crash or a restart loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from xraysynth.errors import InputError
from xraysynth.gan.checkpoint import generator_hash
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import generated_images
from xraysynth.oneshot.annotate.work import Work, WorkScan, label_maps_of, load_work, save_work
from xraysynth.oneshot.exemplar import Exemplar, ScanNumber, check_class_name
from xraysynth.oneshot.exemplar_folder import save_exemplar
from xraysynth.oneshot.exemplar_scan import numbered_latents
from xraysynth.oneshot.features import SiteMap, device_of
from xraysynth.oneshot.groups import group_maps
from xraysynth.oneshot.label_files import check_no_labels
from xraysynth.schema import MAX_CLASSES

FIRST_CLASSES = ("background", "bag", "organic", "metal")
ORIGIN = "Labelled by a person with xraysynth annotate."


@dataclass(frozen=True, kw_only=True)
class DeskScan:
    """One scan on the desk; its labels may change, the rest does not."""

    scan: ScanNumber
    """Seed, number and truncation."""
    latent_w: np.ndarray
    """(num_ws, w_dim) float32."""
    image: np.ndarray
    """(H, W, C) uint8 or uint16."""
    groups: np.ndarray
    """(level, H, W) uint8: pixels that look alike to the generator, coarse to fine."""
    note: str = ""
    """Why it is here, in a few words."""


@dataclass(kw_only=True)
class Desk:
    """The state of one run of `xraysynth annotate`."""

    generator: Generator
    groupings: tuple[SiteMap, ...]
    folder: Path
    seed: int
    scans: list[DeskScan] = field(default_factory=list)
    label_maps: list[np.ndarray] = field(default_factory=list)
    """(H, W) uint8 for each scan; ids index `class_names`."""
    class_names: list[str] = field(default_factory=lambda: list(FIRST_CLASSES))
    current: int = 0
    """The scan that is being labelled."""

    def put(self, numbers: Sequence[ScanNumber], notes: Sequence[str]) -> None:
        """Lay further scans on the desk, without labels."""
        for number, note in zip(numbers, notes, strict=True):
            latent_w = numbered_latents(
                self.generator, number.seed, [number.index], number.truncation_psi
            )
            code = torch.from_numpy(latent_w).to(device_of(self.generator))
            with torch.no_grad():
                drawn = self.generator.synthesis(code, noise_mode="const")
            image = generated_images(self.generator, drawn)[0]
            groups = [group_maps(self.generator, code, grouping)[0] for grouping in self.groupings]
            self.scans.append(
                DeskScan(
                    scan=number,
                    latent_w=latent_w[0],
                    image=image,
                    groups=np.stack(groups),
                    note=note,
                )
            )
            self.label_maps.append(np.zeros(image.shape[:2], np.uint8))

    def find(self, number: ScanNumber) -> int | None:
        """Return the place of a scan on the desk."""
        places = [place for place, scan in enumerate(self.scans) if scan.scan == number]
        return places[0] if places else None

    def choose(self, place: int) -> None:
        """Make another scan the one that is being labelled."""
        if not 0 <= place < len(self.scans):
            raise InputError(f"there is no scan {place}; want 0 to {len(self.scans) - 1}.")
        self.current = place
        self.autosave()

    def relabel(self, place: int, label_map: np.ndarray) -> None:
        """Replace the labels of a scan."""
        self.label_maps[place] = label_map
        self.autosave()

    def add_class(self, name: str) -> None:
        """Add a class.

        Raises
        ------
        InputError
            The name cannot be one, is there already, or there are too many.
        """
        name = name.strip()
        check_class_name(name)
        if name in self.class_names:
            raise InputError(f"{name!r} is there already; want another name.")
        if len(self.class_names) == MAX_CLASSES:
            raise InputError(f"there are {MAX_CLASSES} classes already; remove one first.")
        self.class_names.append(name)
        self.autosave()

    def remove_class(self, place: int) -> None:
        """Remove a class; its pixels become background."""
        if not 1 <= place < len(self.class_names):
            raise InputError("the background cannot be removed.")
        del self.class_names[place]
        for index, labels in enumerate(self.label_maps):
            kept = np.where(labels == place, 0, labels)
            self.label_maps[index] = np.where(kept > place, kept - 1, kept).astype(np.uint8)
        self.autosave()

    def labelled(self) -> list[int]:
        """Return the places of the scans that have a class beside the background."""
        return [place for place, labels in enumerate(self.label_maps) if labels.any()]

    def exemplars(self) -> list[Exemplar]:
        """Return the labelled scans, the current one first if it is labelled.

        Raises
        ------
        InputError
            If none is, or one has a class but no background.
        """
        # The order in which `load_exemplars` finds them once saved: the same segmenter.
        places = sorted(
            self.labelled(), key=lambda place: (place != self.current, self._name(place))
        )
        if not places:
            raise InputError(
                "no scan has a label yet; mark at least one region of a class, then learn.",
                code="exemplar-label",
            )
        return [self._exemplar(place) for place in places]

    def save(self) -> list[Path]:
        """Write every labelled scan as an exemplar: one in the folder itself, more inside it.

        Raises
        ------
        InputError
            As `exemplars`; or one of these folders has labels of another tool.
        """
        exemplars = self.exemplars()
        first = self.find(exemplars[0].scan) if exemplars[0].scan else None
        inner = sorted(self._name(place) for place in self.labelled() if place != first)
        folders = [self.folder, *(self.folder / name for name in inner)]
        for folder in folders:
            check_no_labels(folder)
        for old in self.folder.glob("scan-*/exemplar.json"):
            old.unlink()
        for exemplar, folder in zip(exemplars, folders, strict=True):
            save_exemplar(exemplar, folder)
        return folders

    def autosave(self) -> None:
        """Write the work so far."""
        scans = tuple(
            WorkScan.of(scan.scan, labels, scan.note)
            for scan, labels in zip(self.scans, self.label_maps, strict=True)
        )
        save_work(
            self.folder,
            Work(
                generator=generator_hash(self.generator),
                classes=tuple(self.class_names),
                current=self.current,
                scans=scans,
            ),
        )

    def restore(self) -> bool:
        """Take up the work that the folder holds; tell whether there was any.

        Raises
        ------
        InputError
            It is of another generator, or damaged.
        """
        work = load_work(self.folder, generator_hash(self.generator))
        if work is None:
            return False
        maps = label_maps_of(work, self.folder, self.generator.size_px)
        self.put([scan.number for scan in work.scans], [scan.note for scan in work.scans])
        self.label_maps = maps
        self.class_names, self.current = list(work.classes), work.current
        return True

    def _name(self, place: int) -> str:
        """Return the name of a scan's folder."""
        scan = self.scans[place].scan
        return f"scan-{scan.seed}-{scan.index}"

    def _exemplar(self, place: int) -> Exemplar:
        """Return one scan with the classes that it has, renumbered."""
        labels, scan = self.label_maps[place], self.scans[place]
        ids = np.unique(labels)
        if ids[0] != 0:
            raise InputError(
                f"scan {scan.scan.index} has no background left; erase what is open belt and air.",
                code="exemplar-empty",
            )
        return Exemplar(
            latent_w=scan.latent_w,
            label_map=np.searchsorted(ids, labels).astype(np.uint8),
            class_names=tuple(self.class_names[class_id] for class_id in ids),
            origin=ORIGIN,
            generator_hash=generator_hash(self.generator),
            image=scan.image,
            scan=scan.scan,
        )
