"""Shapes of the two networks."""

from __future__ import annotations

from typing import Literal

import pydantic
from pydantic import Field

from xraysynth.errors import InputError
from xraysynth.gan.values import ValueMap
from xraysynth.settings import Settings

MAX_LABELS = 1000
"""Contents that may be asked for, at most; published networks know as many classes."""
UNKNOWN = "unknown"
"""The label of a scan of which nobody said what it holds."""


class ClutterKind(Settings):
    """A kind of content that no request names."""

    name: str
    """As the scans name it, such as "bottle"."""
    share: float = Field(ge=0, le=1)
    """Share of the scans that hold it."""
    class_name: str
    """Class of its pixels, such as "liquid"; its own name where scans have no masks."""


Clutter = tuple[ClutterKind, ...]


class NetworkConfig(Settings):
    """Size of generator and discriminator; channels at a resolution are min(base / res, max)."""

    resolution: int = Field(64, ge=8, le=1024)
    """Four times two to the number of doublings: the size of a square scan in pixels."""
    base_grid: tuple[int, int] = (4, 4)
    """Rows and columns that the doublings start from: (4, 6) and 64 make scans of 64 x 96."""
    label_names: tuple[str, ...] = ()
    """Contents that may be asked for, in the order of the multi-hot; empty is unconditional."""
    image_channels: int = Field(3, ge=1, le=8)
    """1 grey, 2 low and high energy, 3 pseudo-colour."""
    value_map: ValueMap = "linear"
    """How pixels became the values that the networks see; line integrals for dual energy."""
    pixel_bits: Literal[8, 16] = 8
    """Bits of a pixel of the scans that the networks learned from."""
    pixel_range: tuple[int, int] | None = None
    """Least and greatest pixel of those scans: nothing beyond is drawn. None knows of no such."""
    z_dim: int = Field(128, ge=4, le=4096)
    """Values of the latent code."""
    w_dim: int = Field(128, ge=4, le=4096)
    """Values of the mapped code."""
    mapping_layers: int = Field(4, ge=1, le=16)
    """Dense layers from latent to mapped code."""
    channel_base: int = Field(2048, ge=64, le=2**21)
    """Channels times resolution at full size."""
    channel_max: int = Field(64, ge=4, le=2048)
    """Upper limit of channels at any resolution."""
    discriminator_base: int | None = Field(None, ge=64, le=2**21)
    """As `channel_base`, for the discriminator alone; none means the same. Half makes it cheap."""
    names_contents: bool = False
    """Whether the discriminator also names what a scan holds (auxiliary classifier)."""
    clutter: Clutter = ()
    """Contents that no request names: value i of z says whether kind i is there."""

    @pydantic.field_validator("resolution")
    @classmethod
    def _power_of_two(cls, resolution: int) -> int:
        if resolution & (resolution - 1):
            raise ValueError("should be a power of two, such as 64 or 128")
        return resolution

    @pydantic.field_validator("base_grid")
    @classmethod
    def _base_grid(cls, base_grid: tuple[int, int]) -> tuple[int, int]:
        if not all(2 <= side <= 64 for side in base_grid):
            raise ValueError("should be two numbers from 2 to 64, such as 4 and 6")
        return base_grid

    @pydantic.field_validator("label_names")
    @classmethod
    def _label_names(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(names) > MAX_LABELS:
            raise ValueError(f"should name at most {MAX_LABELS} labels, not {len(names)}")
        if len(set(names)) != len(names):
            raise ValueError("should name every label once")
        if any(not name or "," in name or not name.isprintable() for name in names):
            raise ValueError("should be printable names without comma")
        return names

    @pydantic.model_validator(mode="after")
    def _pixel_range(self) -> NetworkConfig:
        least, greatest = self.pixel_range or (0, 1)
        if not 0 <= least < greatest < 2**self.pixel_bits:
            raise ValueError(
                f"pixel_range should be two rising pixels of {self.pixel_bits} bits, such as 0 and "
                f"{2**self.pixel_bits - 1}"
            )
        return self

    @pydantic.model_validator(mode="after")
    def _clutter(self) -> NetworkConfig:
        names = [kind.name for kind in self.clutter]
        if len(set(names)) != len(names) or len(names) > self.z_dim:
            raise ValueError(f"clutter should name at most {self.z_dim} kinds (z_dim), each once")
        return self

    @pydantic.model_validator(mode="after")
    def _channels_everywhere(self) -> NetworkConfig:
        self.check_channels(self.resolution)
        return self

    def check_channels(self, resolution: int) -> None:
        """Raise an InputError if either network would have no channel left at a resolution."""
        for name in ("channel_base", "discriminator_base"):
            base = getattr(self, name)
            if base is not None and base < resolution:
                raise InputError(
                    f"{name} of {base} leaves no channel at a resolution of {resolution}; set "
                    f"{name} to {resolution} at least, several times that to draw well."
                )

    @property
    def contents(self) -> tuple[str, ...]:
        """The labels that say what a scan holds."""
        return tuple(name for name in self.label_names if name != UNKNOWN)

    @property
    def content_columns(self) -> list[int]:
        """Columns of a multi-hot that say what the scan holds."""
        return [self.label_names.index(name) for name in self.contents]

    @property
    def n_told(self) -> int:
        """Numbers that a discriminator is told of every scan: labels and kinds of clutter."""
        return len(self.label_names) + len(self.clutter)

    def size_px(self, resolution: int) -> tuple[int, int]:
        """Return height and width in pixels at a resolution."""
        rows, columns = self.base_grid
        return rows * resolution // 4, columns * resolution // 4

    @property
    def resolutions(self) -> tuple[int, ...]:
        """4, 8, ... up to the full resolution."""
        return tuple(2**power for power in range(2, self.resolution.bit_length()))

    def channels(self, resolution: int) -> int:
        """Return the generator's number of channels at a resolution."""
        return min(self.channel_base // resolution, self.channel_max)

    def discriminator_channels(self, resolution: int) -> int:
        """Return the discriminator's number of channels at a resolution."""
        base = self.discriminator_base or self.channel_base
        return min(base // resolution, self.channel_max)
