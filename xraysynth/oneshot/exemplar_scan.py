"""The scan of an exemplar's folder: drawn anew, and compared with `scan.png`.

Labels that were painted on another scan than the one whose latent stands beside them teach
nonsense, and nothing would show it. So whatever names the scan twice must name the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy
import torch
from skimage.measure import block_reduce

from xraysynth.errors import InputError, ReadError
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import generated_images, latents
from xraysynth.oneshot.exemplar import MAX_CODE, ScanNumber, display_image
from xraysynth.oneshot.features import device_of
from xraysynth.oneshot.label_files import MAX_BYTES, MAX_PIXELS
from xraysynth.scans.decode import decode

BLOCK_PX = 4
BRIGHTNESS = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in what JPEG keeps best (ITU-R BT.601)."""
SAME_SCAN_LEVELS = 8.0
"""No block of two pictures of one scan differs by more, on average, of 255.

Of the first 60 scans of either bundled generator (seed 0), rounding by 2 levels and then JPEG of
quality 75 change a block by 3.8 at most; the most alike of all pairs differ by 17, one scan with
and without a truncation of 0.75 by 13. Of 400 more (seed 1) JPEG changes a block by 6.3 at most,
and one scan is truncated by no more than 6.1. The mean over the whole picture tells nothing: most
of it is white in every scan."""
SAME_LATENT = 0.02
"""Latents of one scan differ by less in every number: another machine rounds otherwise."""


def numbered_latents(
    generator: Generator, seed: int, indices: Sequence[int], truncation_psi: float
) -> np.ndarray:
    """Return `latent_w` (n, num_ws, w_dim) float32 of numbered generated scans."""
    latent_z = latents(generator, seed, indices).to(device_of(generator))
    with torch.no_grad():
        mapped = generator.mapping(latent_z, truncation_psi=truncation_psi)
    return np.ascontiguousarray(mapped.cpu().numpy(), dtype=np.float32)


def drawn_scan(generator: Generator, latent_w: np.ndarray) -> np.ndarray:
    """Return the scan (H, W, C) uint8 of a latent; black where the latent does not fit."""
    if latent_w.shape != (generator.num_ws, generator.w_dim):
        return np.zeros((*generator.size_px, 3), np.uint8)
    with torch.no_grad():
        code = torch.from_numpy(latent_w)[None].to(device_of(generator))
        drawn = generator.synthesis(code, noise_mode="const")
    return generated_images(generator, drawn)[0]


def differs_most(seen: np.ndarray, shown: np.ndarray) -> float:
    """Return by how much two pictures (H, W, 3) uint8 differ in the block where they do most.

    In levels of brightness, with their sign: within a block noise and the ripples of JPEG cancel
    out, an item that is there or not does not.

    Examples
    --------
    >>> white = np.full((16, 16, 3), 255, np.uint8)
    >>> other = white.copy()
    >>> other[:2, :4] = 155
    >>> round(differs_most(white, other), 6)
    50.0
    """
    difference = (seen.astype(np.float64) - shown) @ np.array(BRIGHTNESS)
    blocks = block_reduce(difference, (BLOCK_PX, BLOCK_PX), np.mean)
    return float(np.abs(blocks).max())


def check_same_scan(path: Path, seen: np.ndarray, drawn: np.ndarray) -> None:
    """Check that a folder's picture (H, W, 3) is the scan that is drawn for its latent.

    Raises
    ------
    InputError
        It is another one.
    """
    shown = display_image(drawn)
    if seen.shape != shown.shape or differs_most(seen, shown) > SAME_SCAN_LEVELS:
        raise InputError(
            f"{path} is not what this generator draws for the exemplar's latent, seed and index, "
            "so its labels would lie; correct them, or label the right scan.",
            code="exemplar-latent",
        )


def check_same_latent(
    path: Path, latent_w: np.ndarray, number: ScanNumber, generator: Generator
) -> None:
    """Check that a folder's latent is that of its seed and index.

    Raises
    ------
    InputError
        It is another one.
    """
    named = numbered_latents(generator, number.seed, [number.index], number.truncation_psi)[0]
    if named.shape != latent_w.shape or np.abs(named - latent_w).max() > SAME_LATENT:
        raise InputError(
            f"{path} is not the latent of the seed {number.seed}, index {number.index} and "
            f"truncation {number.truncation_psi:g} in exemplar.json, so one of them is of another "
            "scan; keep the one that was labelled, take out the other.",
            code="exemplar-latent",
        )


def read_scan(path: Path) -> np.ndarray:
    """Return a picture (H, W, 3) uint8, or raise."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ReadError(f"it is larger than {MAX_BYTES // 2**20} MiB.")
        return display_image(decode(path.read_bytes(), MAX_PIXELS))
    except OSError as error:  # also ReadError
        raise InputError(
            f"{path} is not a readable picture ({str(error).rstrip('.')}); want a PNG. Save it "
            "again.",
            code="exemplar-files",
        ) from None


def read_latent(path: Path) -> np.ndarray:
    """Return `latent_w` (num_ws, w_dim) float32."""
    try:
        tensors = safetensors.numpy.load(path.read_bytes())
        with np.errstate(over="ignore"):  # What float32 cannot hold is refused below.
            latent = np.asarray(tensors["latent_w"], dtype=np.float32)
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path} is not a latent ({error}); want `latent_w` in safetensors. Copy it again.",
            code="exemplar-files",
        ) from None
    largest = np.abs(latent).max(initial=0)
    if latent.ndim != 2 or not largest <= MAX_CODE:  # Nor is a NaN.
        raise InputError(
            f"{path} has a latent of shape {latent.shape} with magnitudes up to {largest:.3g}; "
            f"want (num_ws, w_dim), none above {MAX_CODE:g}. Copy it again.",
            code="exemplar-files",
        )
    return latent
