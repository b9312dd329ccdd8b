"""A generator that draws a disc and a bar, whose truth is known, with a StyleGAN's interface."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from xraysynth.gan.checkpoint import generator_hash
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator, OnActivation, Site
from xraysynth.oneshot.exemplar import Exemplar

SIZE = 16
CLASSES = ("background", "disc", "bar")


class ToyMapping(nn.Module):
    w_avg: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("w_avg", torch.zeros(4))

    def forward(
        self, latent_z: Tensor, truncation_psi: float = 1.0, labels: Tensor | None = None
    ) -> Tensor:
        return (truncation_psi * torch.tanh(latent_z))[:, None].expand(-1, 6, -1)


class ToySynthesis(nn.Module):
    """Coarse rows place the items; fine rows only tint them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        self.mixing = nn.Parameter(torch.randn(5, channels, 4, generator=rng))
        self.noise = nn.Parameter(0.1 * torch.randn(5, channels, SIZE, SIZE, generator=rng))

    def forward(
        self,
        latent_w: Tensor,
        noise_mode: str = "const",
        on_activation: OnActivation | None = None,
    ) -> Tensor:
        masks = toy_masks(latent_w)
        for site, resolution in enumerate((4, 8, 8, 16, 16)):
            tint = 1 + 0.3 * latent_w[:, site, :, None, None]
            coarse = functional.adaptive_avg_pool2d(masks * tint[:, :3], resolution)
            values = torch.cat([coarse, tint[:, 3:].expand(-1, 1, resolution, resolution)], 1)
            activation = torch.einsum("cm,nmhw->nchw", self.mixing[site], values)
            activation = activation + self.noise[site, :, :resolution, :resolution]
            if on_activation is not None:
                on_activation(site, activation)
        colours = torch.tensor([[0.9, 0.9, 0.9], [0.5, 0.0, -0.6], [-0.6, -0.3, 0.5]])
        return torch.einsum("nmhw,mc->nchw", masks, colours)


class ToyGenerator(nn.Module):
    def __init__(self, channels: int = 6) -> None:
        super().__init__()
        self.mapping = ToyMapping()
        self.synthesis = ToySynthesis(channels)
        self.sites = tuple(
            Site(f"b{resolution}.{index}", resolution, channels)
            for index, resolution in enumerate((4, 8, 8, 16, 16))
        )
        self.num_ws, self.w_dim, self.z_dim = 6, 4, 4
        self.resolution, self.image_channels = SIZE, 3
        self.size_px, self.config = (SIZE, SIZE), NetworkConfig(resolution=SIZE)


def toy_masks(latent_w: Tensor) -> Tensor:
    """Return one-hot truth (n, 3, 16, 16): background, disc, bar over it."""
    centres = (2 * torch.arange(SIZE) + 1) / SIZE - 1
    y, x = torch.meshgrid(centres, centres, indexing="ij")
    place = latent_w[:, 0, :, None, None]
    disc = (x - 0.5 * place[:, 0]) ** 2 + (y - 0.5 * place[:, 1]) ** 2 < 0.16
    bar = (y - 0.7 * place[:, 2]).abs() < 0.2
    labels = torch.where(bar, 2, torch.where(disc, 1, 0))
    return functional.one_hot(labels, 3).permute(0, 3, 1, 2).float()


def toy_truth(latent_w: Tensor) -> np.ndarray:
    """Return label maps (n, 16, 16) uint8."""
    return toy_masks(latent_w).argmax(1).numpy().astype(np.uint8)


def toy_generator(channels: int = 6) -> Generator:
    return cast(Generator, ToyGenerator(channels).eval().requires_grad_(False))


def toy_exemplar(generator: Generator) -> Exemplar:
    latent_w = generator.mapping(torch.tensor([[0.3, -0.4, 0.9, 0.1]]))
    image = ((generator.synthesis(latent_w)[0].permute(1, 2, 0) + 1) * 127.5).numpy()
    return Exemplar(
        latent_w=latent_w[0].numpy().astype(np.float32),
        label_map=toy_truth(latent_w)[0],
        class_names=CLASSES,
        origin="The toy knows its own truth.",
        generator_hash=generator_hash(generator),
        image=image.astype(np.uint8),
    )
