"""What may be simulated: the ranges that `draw_scan` chooses from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from xraysynth.baggage import catalogue
from xraysynth.scanner.colour import palettes
from xraysynth.settings import Settings, nearest

ANY_PALETTE = "any"
SIXRAY_PALETTES = {"sixray_white": 0.69, "sixray_grey": 0.28, "sixray_rust": 0.03}
"""How often each colour of air is seen among the 1,304 scans of the public set."""
Count = Annotated[int, Field(ge=0, le=128)]
Share = Annotated[float, Field(ge=0, le=1)]
Density = Annotated[float, Field(ge=0, le=5)]
Margin = Annotated[float, Field(ge=0.2, le=5)]


class CaseShares(Settings):
    """How often each case is drawn, in any measure: only the ratios count."""

    plain: float = Field(0.7, ge=0)
    """Threats lie where they fall."""
    conceal: float = Field(0.2, ge=0)
    """The densest clutter lies over one threat, along the ray."""
    partly_out_of_view: float = Field(0.1, ge=0)
    """The border of the picture cuts one threat."""

    @pydantic.model_validator(mode="after")
    def _check_some(self) -> CaseShares:
        if self.plain + self.conceal + self.partly_out_of_view <= 0:
            raise ValueError("should give at least one case a share above 0")
        return self


class SimulationConfig(Settings):
    """Ranges of the embedded scanner; every range holds both its ends.

    What is asked for but does not fit into the bag is left out, and counted in `n_left_out` of the
    table `scans`.
    """

    size_px: int = 64
    """Side of the square picture: 16 to 1024 pixels, a multiple of 4."""
    channels: Literal["rgb", "dual"] = "rgb"
    """Pseudo-colour in 8 bit, or low and high transmission in 16 bit."""
    views: Literal[1, 2] = 1
    """Pictures of each scan, each a row of the file; the second is of the same bag, turned."""
    second_view_deg: float = Field(90.0, ge=30, le=150)
    """Angle between the views about the belt axis."""
    threats: tuple[Count, Count] = (0, 2)
    """Fewest and most threats in a scan; each of another class."""
    clutter: tuple[Count, Count] = (2, 80)
    """Fewest and most harmless items in a bag; half of the bags hold less than their geometric
    mean."""
    clutter_per_litre: tuple[Density, Density] | None = None
    """Harmless items per litre of the bag, in place of `clutter`; a cabin case has about 30 l."""
    fill: tuple[Share, Share] = (0.8, 1.0)
    """How full a bag is: the share of its inner height up to which items may lie."""
    cases: CaseShares = CaseShares()
    """How often threats are plain, concealed, or partly out of view."""
    threat_classes: tuple[str, ...] = tuple(catalogue.kinds("threat"))
    """Threats to choose from."""
    clutter_kinds: tuple[str, ...] = tuple(catalogue.kinds("clutter"))
    """Harmless items to choose from."""
    bag_kinds: tuple[str, ...] = tuple(catalogue.kinds("bag"))
    """Containers to choose from."""
    two_bags: Share = 0.1
    """Share of scans that show two bags behind each other on the belt."""
    bag_turn: Literal["any", "level"] = "any"
    """Bags lie along or across the belt, some askew; or nearly along it only."""
    margin: tuple[Margin, Margin] = (1.03, 1.2)
    """Field of view over the extent of the bags."""
    field_mm: float = Field(0.0, ge=0, le=5000)
    """Side of the field of view in mm, for bags of any size; 0 follows the bags by `margin`."""
    palette: str | dict[str, float] = SIXRAY_PALETTES
    """Palette of the pseudo-colour; "any", or palettes with their shares, to draw one a scan."""
    display_spread: Share = 0.12
    """How unlike displays are set: spread (standard deviation) of the log of their contrast, and
    of their error in atomic number over 4."""
    tilt_deg: float = Field(12.0, ge=0, le=90)
    """Spread (standard deviation) of a small item's tilt out of the plane; long ones tilt less."""
    source_mm: float = Field(900.0, ge=0, le=1e6)
    """Source to the middle of the bag, in mm; 0 for parallel rays, else at least 600."""
    voltage_kvp: Literal[140, 160] = 160
    """Tube voltage."""
    noise: bool = True
    """Whether the detector adds noise."""
    part_masks: bool = True
    """Whether the file also holds a mask for every part of every item."""

    @pydantic.field_validator("size_px")
    @classmethod
    def _check_size(cls, value: int) -> int:
        if not 16 <= value <= 1024 or value % 4:
            raise ValueError("should be a multiple of 4 between 16 and 1024")
        return value

    @pydantic.field_validator("source_mm")
    @classmethod
    def _check_source(cls, value: float) -> float:
        if 0 < value < 600:
            raise ValueError("should be 0 (parallel rays) or at least 600 mm, outside the bag")
        return value

    @pydantic.field_validator("field_mm")
    @classmethod
    def _check_field(cls, value: float) -> float:
        if 0 < value < 20:
            raise ValueError("should be 0 (follow the bags) or at least 20 mm")
        return value

    @pydantic.field_validator("threats", "clutter", "clutter_per_litre", "fill", "margin")
    @classmethod
    def _check_range(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and value[0] > value[1]:
            raise ValueError("should be a range (fewest, most) with fewest <= most")
        return value

    @pydantic.field_validator("threat_classes", "clutter_kinds", "bag_kinds")
    @classmethod
    def _check_kinds(cls, value: tuple[str, ...], info: pydantic.ValidationInfo) -> tuple[str, ...]:
        groups = {"threat_classes": "threat", "clutter_kinds": "clutter", "bag_kinds": "bag"}
        known = catalogue.kinds(groups[str(info.field_name)])
        for name in value:
            if name not in known:
                guess = nearest(name, known)
                hint = f"did you mean {guess}?" if guess else f"known are {', '.join(known)}"
                raise ValueError(f"should name known kinds, not {name!r}; {hint}")
        if len(set(value)) != len(value):
            raise ValueError("should name each kind once")
        if info.field_name == "bag_kinds" and not value:
            raise ValueError("should name at least one container")
        return value

    @pydantic.field_validator("palette", mode="before")
    @classmethod
    def _check_palette(cls, value: Any) -> Any:
        known = [*palettes(), ANY_PALETTE]
        if not isinstance(value, Mapping):
            if value not in known:
                raise ValueError(f"should be one of {', '.join(known)}, or a mapping to shares")
            return value
        for name, share in value.items():
            if name not in known[:-1]:
                raise ValueError(
                    f"should name palettes, not {name!r}; known are {', '.join(known[:-1])}"
                )
            if isinstance(share, bool) or not isinstance(share, int | float) or share < 0:
                raise ValueError(f"should give {name} a share of at least 0")
        if not sum(value.values()) > 0:
            raise ValueError("should give at least one palette a share above 0")
        return dict(value)

    @pydantic.model_validator(mode="after")
    def _check_enough(self) -> SimulationConfig:
        if self.threats[1] > len(self.threat_classes):
            raise ValueError(
                f"threats asks for up to {self.threats[1]} different classes, but threat_classes "
                f"names {len(self.threat_classes)}; name more or ask for fewer"
            )
        wanted = self.clutter if self.clutter_per_litre is None else self.clutter_per_litre
        if wanted[1] and not self.clutter_kinds:
            raise ValueError(
                "clutter asks for items, but clutter_kinds is empty; set clutter to 0, 0"
            )
        return self

    @property
    def supersample(self) -> int:
        """Rays per side of a pixel: wide pixels gather several."""
        return 2 if self.size_px <= 128 else 1
