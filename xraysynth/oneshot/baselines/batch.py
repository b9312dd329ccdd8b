"""Hidden features of a few scans, drawn once for all models that read them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from xraysynth.gan.generator import Generator
from xraysynth.oneshot.features import Interpolation, SiteMap, StreamedProjection


class FeatureBatch:
    """A few scans by their codes; features stay at the size at which the generator made them.

    At 64 px and 672 values a pixel that is 1.9 MB a scan, and 11 MB at full size.
    """

    def __init__(self, generator: Generator, latent_w: Tensor) -> None:
        self.generator, self.latent_w = generator, latent_w
        self._kept: dict[int, tuple[object, Tensor]] = {}

    def __len__(self) -> int:
        """Return the number of scans."""
        return len(self.latent_w)

    @property
    def images(self) -> Tensor:
        """Scans (n, C, H, W)."""
        return self._drawn[0]

    @property
    def activations(self) -> list[Tensor]:
        """Features (n, channels, h, w) of each site."""
        return self._drawn[1]

    @cached_property
    def _drawn(self) -> tuple[Tensor, list[Tensor]]:
        """Scans and their features."""
        found: list[Tensor] = []
        with torch.no_grad():
            images = self.generator.synthesis(
                self.latent_w, noise_mode="const", on_activation=lambda _, a: found.append(a)
            )
        return images, found

    def mapped(self, site_map: SiteMap, interpolation: Interpolation) -> Tensor:
        """Return mapped pixels (n, D, H, W), without a concatenated tensor."""
        streamed = StreamedProjection(site_map, interpolation)
        with torch.no_grad():
            for site_index, activation in enumerate(self.activations):
                streamed(site_index, activation)
        return streamed.result()

    def once(self, owner: object, make: Callable[[], Tensor]) -> Tensor:
        """Return what is made of these features for an owner, made when first asked for."""
        if id(owner) not in self._kept:
            self._kept[id(owner)] = (owner, make())  # The owner is held, so that its id is its own.
        return self._kept[id(owner)][1]
