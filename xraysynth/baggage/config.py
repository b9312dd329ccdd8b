"""What may be simulated: the ranges that `draw_scan` chooses from."""

from __future__ import annotations

from typing import Annotated, Literal

import pydantic
from pydantic import Field

from xraysynth.baggage import catalogue
from xraysynth.scanner.colour import palettes
from xraysynth.settings import Settings, nearest

ANY_PALETTE = "any"
Count = Annotated[int, Field(ge=0, le=64)]


class SimulationConfig(Settings):
    """Ranges of the embedded scanner; every range holds both its ends."""

    size_px: int = 64
    """Side of the square picture: 16 to 1024 pixels, a multiple of 4."""
    channels: Literal["rgb", "dual"] = "rgb"
    """Pseudo-colour in 8 bit, or low and high transmission in 16 bit."""
    threats: tuple[Count, Count] = (0, 4)
    """Fewest and most threats in a bag; each of another class."""
    clutter: tuple[Count, Count] = (2, 8)
    """Fewest and most harmless items in a bag."""
    threat_classes: tuple[str, ...] = ("gun", "knife", "wrench", "scissors")
    """Threats to choose from."""
    clutter_kinds: tuple[str, ...] = tuple(catalogue.kinds("clutter"))
    """Harmless items to choose from."""
    bag_kinds: tuple[str, ...] = tuple(catalogue.kinds("bag"))
    """Containers to choose from."""
    palette: str = "standard"
    """Palette of the pseudo-colour, or "any" to draw one for each scan."""
    tilt_deg: float = Field(12.0, ge=0, le=90)
    """Spread (standard deviation) of a small item's tilt out of the plane; long ones tilt less."""
    source_mm: float = Field(900.0, ge=0)
    """Source to the middle of the bag, in mm; 0 for parallel rays, else at least 400."""
    voltage_kvp: Literal[140, 160] = 160
    """Tube voltage."""
    noise: bool = True
    """Whether the detector adds noise."""

    @pydantic.field_validator("size_px")
    @classmethod
    def _check_size(cls, value: int) -> int:
        if not 16 <= value <= 1024 or value % 4:
            raise ValueError("should be a multiple of 4 between 16 and 1024")
        return value

    @pydantic.field_validator("source_mm")
    @classmethod
    def _check_source(cls, value: float) -> float:
        if 0 < value < 400:
            raise ValueError("should be 0 (parallel rays) or at least 400 mm, outside the bag")
        return value

    @pydantic.field_validator("threats", "clutter")
    @classmethod
    def _check_range(cls, value: tuple[int, int]) -> tuple[int, int]:
        if value[0] > value[1]:
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

    @pydantic.field_validator("palette")
    @classmethod
    def _check_palette(cls, value: str) -> str:
        known = [*palettes(), ANY_PALETTE]
        if value not in known:
            raise ValueError(f"should be one of {', '.join(known)}")
        return value

    @pydantic.model_validator(mode="after")
    def _check_enough(self) -> SimulationConfig:
        if self.threats[1] > len(self.threat_classes):
            raise ValueError(
                f"threats asks for up to {self.threats[1]} different classes, but threat_classes "
                f"names {len(self.threat_classes)}; name more or ask for fewer"
            )
        if self.clutter[1] and not self.clutter_kinds:
            raise ValueError(
                "clutter asks for items, but clutter_kinds is empty; set clutter to 0, 0"
            )
        return self

    @property
    def supersample(self) -> int:
        """Detector pixels per side of a picture's pixel: small pictures are reduced ones."""
        return 2 if self.size_px <= 128 else 1
