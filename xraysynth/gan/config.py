"""Shapes of the two networks."""

from __future__ import annotations

import pydantic
from pydantic import Field

from xraysynth.settings import Settings


class NetworkConfig(Settings):
    """Size of generator and discriminator; channels at a resolution are min(base / res, max)."""

    resolution: int = Field(64, ge=8, le=1024)
    """Height and width of a scan in pixels; a power of two."""
    image_channels: int = Field(3, ge=1, le=8)
    """1 grey, 2 low and high energy, 3 pseudo-colour."""
    z_dim: int = Field(128, ge=4)
    """Values of the latent code."""
    w_dim: int = Field(128, ge=4)
    """Values of the mapped code."""
    mapping_layers: int = Field(4, ge=1, le=16)
    """Dense layers from latent to mapped code."""
    channel_base: int = Field(2048, ge=64)
    """Channels times resolution at full size."""
    channel_max: int = Field(64, ge=4)
    """Upper limit of channels at any resolution."""
    discriminator_base: int | None = Field(None, ge=64)
    """As `channel_base`, for the discriminator alone; none means the same. Half makes it cheap."""

    @pydantic.field_validator("resolution")
    @classmethod
    def _power_of_two(cls, resolution: int) -> int:
        if resolution & (resolution - 1):
            raise ValueError("should be a power of two, such as 64 or 128")
        return resolution

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
