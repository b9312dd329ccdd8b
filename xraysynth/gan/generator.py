"""The generator: mapping network and skip synthesis network, with features streamed out.

References
----------
.. [1] T. Karras et al., CVPR 2020, figures 2 and 7 (output skips).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.distributed import JoinedRng
from xraysynth.gan.layers import SynthesisLayer, ToImage
from xraysynth.gan.mapping import Mapping
from xraysynth.gan.resample import upsample
from xraysynth.gan.values import as_shown

OnActivation = Callable[[int, Tensor], None]
"""Called with the index of a site and its activation (n, channels, height, width)."""

NoiseMode = Literal["const", "none", "random"]


class Site(NamedTuple):
    """One 3x3 convolution of the synthesis network, whose output may be streamed."""

    name: str
    resolution: int
    channels: int


class SynthesisBlock(nn.Module):
    """All layers of one resolution: one (4x4) or two convolutions and an image skip."""

    const: Tensor

    def __init__(self, config: NetworkConfig, resolution: int) -> None:
        super().__init__()
        shape = config.size_px(resolution)
        n_out = config.channels(resolution)
        self.first = resolution == 4
        if self.first:
            self.const = nn.Parameter(torch.randn(n_out, *shape))
        else:
            n_in = config.channels(resolution // 2)
            self.conv0 = SynthesisLayer(n_in, n_out, config.w_dim, shape, double=True)
        self.conv1 = SynthesisLayer(n_out, n_out, config.w_dim, shape, double=False)
        self.torgb = ToImage(n_out, config.image_channels, config.w_dim)

    @property
    def convolutions(self) -> list[tuple[str, SynthesisLayer]]:
        """The block's 3x3 convolutions in order, with their names."""
        return (
            [("conv1", self.conv1)]
            if self.first
            else [("conv0", self.conv0), ("conv1", self.conv1)]
        )


class Synthesis(nn.Module):
    """Mapped codes to images, coarse to fine; one row of w for each convolution.

    The image skip of a block shares its row with the next block's first convolution.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.resolutions = config.resolutions
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", SynthesisBlock(config, resolution))

    def block(self, resolution: int) -> SynthesisBlock:
        """Return the block of a resolution."""
        block = self.get_submodule(f"b{resolution}")
        assert isinstance(block, SynthesisBlock)
        return block

    def forward(
        self,
        latent_w: Tensor,
        noise_mode: NoiseMode = "const",
        on_activation: OnActivation | None = None,
        rng: torch.Generator | JoinedRng | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """Return images of about [-1, 1].

        Parameters
        ----------
        latent_w : (n, num_ws, w_dim)
        noise_mode : "const" adds each layer's fixed noise, "random" fresh noise from `rng`,
            "none" nothing
        on_activation : called, in order, with the output of every 3x3 convolution
        dtype : of the activations; weights, styles and images stay float32

        Returns
        -------
        (n, image_channels, height, width)
        """
        image: Tensor | None = None
        for to_image, features, style_w in self.walk(
            latent_w, noise_mode, on_activation, rng, dtype
        ):
            skip: Tensor = to_image(features, style_w)
            image = skip if image is None else upsample(image) + skip
        assert image is not None
        return image

    def walk(
        self,
        latent_w: Tensor,
        noise_mode: NoiseMode = "const",
        on_activation: OnActivation | None = None,
        rng: torch.Generator | JoinedRng | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Iterator[tuple[ToImage, Tensor, Tensor]]:
        """Yield, coarse to fine, what each block adds to the image.

        Its 1x1 convolution, the features (n, channels, height, width) and the codes (n, w_dim) that
        this is applied to. Parameters are those of `forward`.
        """
        n_samples, row, site = len(latent_w), 0, 0
        start = self.block(4).const.to(dtype)
        features = start.expand(n_samples, -1, -1, -1).contiguous(memory_format=torch.channels_last)
        for resolution in self.resolutions:
            block = self.block(resolution)
            for _, layer in block.convolutions:
                noise = _noise(layer, n_samples, noise_mode, rng)
                features = layer(features, latent_w[:, row], noise)
                if on_activation is not None:
                    on_activation(site, features)
                row, site = row + 1, site + 1
            yield block.torgb, features, latent_w[:, row]


class Generator(nn.Module):
    """StyleGAN2 generator."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.synthesis = Synthesis(config)
        self.sites = tuple(
            Site(f"b{resolution}.{name}", resolution, config.channels(resolution))
            for resolution in config.resolutions
            for name, _ in self.synthesis.block(resolution).convolutions
        )
        self.num_ws = len(self.sites) + 1
        self.mapping = Mapping(config, self.num_ws)

    @property
    def resolution(self) -> int:
        """Name of the finest block: four times two to the number of doublings.

        Height and width of a generated scan in pixels, where the base grid is square.
        """
        return self.config.resolution

    @property
    def size_px(self) -> tuple[int, int]:
        """Height and width of a generated scan, in pixels."""
        return self.config.size_px(self.config.resolution)

    @property
    def image_channels(self) -> int:
        """Channels of a generated scan."""
        return self.config.image_channels

    @property
    def z_dim(self) -> int:
        """Values of the latent code."""
        return self.config.z_dim

    @property
    def w_dim(self) -> int:
        """Values of the mapped code."""
        return self.config.w_dim

    def as_shown(self, images: Tensor) -> Tensor:
        """Return what was drawn as pixels will show it, with gradient; see `values.as_shown`.

        (n, image_channels, height, width) -> the same
        """
        config = self.config
        if config.pixel_range is None:
            return images
        return as_shown(images, config.pixel_range, config.pixel_bits, config.value_map)

    def forward(
        self, latent_z: Tensor, truncation_psi: float = 1.0, labels: Tensor | None = None
    ) -> Tensor:
        """(n, z_dim), (n, labels) -> (n, image_channels, height, width), with constant noise."""
        images: Tensor = self.synthesis(self.mapping(latent_z, truncation_psi, labels))
        return images


def _noise(
    layer: SynthesisLayer, n_samples: int, mode: NoiseMode, rng: torch.Generator | JoinedRng | None
) -> Tensor | None:
    """Return the noise that a layer adds, before its strength."""
    if mode == "none":
        return None
    if mode == "const":
        return layer.noise_const
    shape = (n_samples, 1, *layer.noise_const.shape)
    if isinstance(rng, JoinedRng):
        return rng.normal(shape)
    return torch.randn(shape, generator=rng, device=layer.noise_const.device)
