"""The pictures of the report, each with the words that stand in for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from xraysynth.audit.config import AuditConfig
from xraysynth.audit.measures import Findings, Source
from xraysynth.audit.panels import GAP_GREY, GAP_PX, heat_picture, pair, strip, thumbnail
from xraysynth.audit.pictures import data_uri, grid
from xraysynth.audit.tables import texts

HEAT_PX = 144


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One picture as the template shows it."""

    uri: str
    alt: str
    """What the picture shows, for those who do not see it."""
    title: str = ""
    notes: list[str] = field(default_factory=list)


def spread(count: int, wanted: int) -> list[int]:
    """Return `wanted` places evenly spread over `count`, fewer if there are not as many.

    Examples
    --------
    >>> spread(100, 4)
    [0, 25, 50, 75]
    >>> spread(2, 4)
    [0, 1]
    """
    wanted = min(count, wanted)
    return [place * count // wanted for place in range(wanted)]


def sample_figure(source: Source, index: int, config: AuditConfig) -> Figure:
    """Return scan, overlay and contours of one sample, with the classes that it holds."""
    batch = source.read(index)
    if batch.masks is None:
        raise ValueError("a sample has a mask")
    contents = describe_mask(batch.masks[0], source.class_names)
    name = texts(batch.names)[0]
    return Figure(
        uri=data_uri(strip(batch.images[0], batch.masks[0], source.class_names, config.panel_px)),
        alt=f"Sample {name}: scan, class overlay and numbered contours. {', '.join(contents)}",
        title=name,
        notes=contents,
    )


def describe_mask(mask: np.ndarray, class_names: Sequence[str]) -> list[str]:
    r"""Return the classes of a mask by falling share, background left out.

    Examples
    --------
    >>> describe_mask(np.array([[0, 1], [1, 2]]), ["background", "bag", "gun"])
    ['bag 50.0\xa0%', 'gun 25.0\xa0%']
    """
    areas = np.bincount(mask.ravel(), minlength=len(class_names))
    order = [
        int(place) for place in np.argsort(-areas, kind="stable") if place > 0 and areas[place]
    ]
    return [
        f"{class_names[place]} {100 * areas[place] / mask.size:.1f}\u00a0%" for place in order
    ] or ["nothing labelled"]


def scans_figure(source: Source, config: AuditConfig, words: str) -> Figure:
    """Return a grid of scans, evenly spread over their source."""
    places = spread(source.count, config.scans_shown)
    side = config.panel_px * 2 // 3
    pictures = [thumbnail(source.read(place).images[0], side) for place in places]
    return Figure(
        uri=data_uri(
            grid(
                pictures,
                columns=max(1, round(len(pictures) ** 0.5)),
                gap_px=GAP_PX,
                background=GAP_GREY,
            )
        ),
        alt=f"{len(pictures)} {words} of {source.count}, evenly spread",
        title=words,
    )


def pair_figures(
    left: Source, right: Source, pairs: Sequence[tuple[int, int, int]], config: AuditConfig
) -> list[Figure]:
    """Return pictures of pairs (left place, right place, bits that differ)."""
    figures = []
    for first, second, distance in pairs:
        one, two = left.read(first), right.read(second)
        names = texts(one.names)[0], texts(two.names)[0]
        notes = [f"{distance} of 64 bits differ"]
        if one.images.shape == two.images.shape and one.images.dtype == two.images.dtype:
            apart = np.abs(one.images.astype(np.int64) - two.images).mean()
            full = np.iinfo(one.images.dtype).max
            notes.append(f"mean difference {100 * apart / full:.1f} % of full scale")
        figures.append(
            Figure(
                uri=data_uri(pair(one.images[0], two.images[0], config.panel_px * 2 // 3)),
                alt=f"{names[0]} and {names[1]} side by side; {'; '.join(notes)}",
                title=f"{names[0]} | {names[1]}",
                notes=notes,
            )
        )
    return figures


def heat_figures(findings: Findings) -> list[Figure]:
    """Return a heat map of each class that occurs, background left out."""
    masks = findings.masks
    shares = masks.heat_share()
    figures = []
    for class_id in np.flatnonzero(masks.pixels):
        if class_id == 0:
            continue
        share = shares[class_id]
        largest = float(share.max())
        row, column = share.nonzero()
        weight = share[row, column] / share.sum()
        middle = (
            100 * float((column + 0.5) @ weight) / share.shape[1],
            100 * float((row + 0.5) @ weight) / share.shape[0],
        )
        name = masks.class_names[class_id]
        note = f"full ink: in {100 * largest:.1f} % of the samples"
        figures.append(
            Figure(
                uri=data_uri(heat_picture(share, largest, HEAT_PX)),
                alt=(
                    f"Heat map of {name}; centre at {middle[0]:.0f} % from the left and "
                    f"{middle[1]:.0f} % from the top; {note}"
                ),
                title=name,
                notes=[note],
            )
        )
    return figures
