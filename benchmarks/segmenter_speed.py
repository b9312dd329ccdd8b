"""What labels cost: folded inference against the published form and an ensemble of networks.

One narrow generator of 2,528 values a pixel at 256 px, random weights, one process and thread.
`ours` adds one small matrix a convolution to the pass that draws the scan, and draws colours and
scores of a block by one product; what is added is timed in the plain form, one product a
convolution. The published form draws
it again for the features, upsamples and concatenates all of them, projects to 512 values and
applies the head; ours has the same projection and head folded in. The ensemble runs ten per-pixel
networks on the concatenated features. CPU seconds a scan, the least of several rounds in turn.
Peak memory is that of a fresh child process. Prints a table and, last, one JSON object.

python benchmarks/segmenter_speed.py --resolution 256
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from xraysynth.gan.allocation import keep_freed_memory
from xraysynth.gan.config import NetworkConfig
from xraysynth.gan.generator import Generator
from xraysynth.gan.sampling import generated_images
from xraysynth.oneshot.baselines.networks import per_pixel
from xraysynth.oneshot.features import SiteMap, StreamedProjection, concatenated, project
from xraysynth.oneshot.learn import LearnConfig
from xraysynth.oneshot.refine import RefineConfig, refined
from xraysynth.oneshot.segmenter import largest

PROJECTED, CLASSES, NETWORKS = 512, 8, 10
Form = Callable[[], np.ndarray]


def main() -> None:
    """Read the command line, measure memory, then time, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--slow-rounds", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    keep_freed_memory()  # As an export does: else a third of the time goes into fresh pages.
    bench = Bench(arguments.resolution, arguments.batch)
    memory = {name: peak_megabytes(getattr(bench, name)) for name in ("with_masks", "published")}
    forms = [bench.generate, bench.with_masks, bench.with_refined_masks]
    rounds = in_turn(forms, arguments.rounds)
    fast, fast_ratio = rounds.min(0), float(np.median(rounds[:, 1] / rounds[:, 0]))
    added = min(bench.added_seconds() for _ in range(arguments.rounds))
    slow = in_turn([bench.published, bench.ensemble], arguments.slow_rounds).min(0).tolist()
    drawn, masks, refined_masks = (fast / arguments.batch).tolist()
    # The slow forms see one scan, as the release does.
    report = {
        "resolution_px": arguments.resolution,
        "features_per_pixel": bench.features,
        "classes": CLASSES,
        "generate_seconds": drawn,
        "generate_with_masks_seconds": masks,
        "ours_added_seconds": added / arguments.batch,
        "published_seconds": slow[0],
        "mlp_ensemble_seconds": slow[1],
        "ours_megabytes": memory["with_masks"],
        "published_megabytes": memory["published"],
        "speedup_vs_published": slow[0] / (added / arguments.batch),
        "speedup_vs_mlp_ensemble": slow[1] / (added / arguments.batch),
        "scan_and_masks_speedup_vs_published": (drawn + slow[0]) / masks,
        "generate_with_masks_vs_generate": masks / drawn,
        "generate_with_masks_vs_generate_median": fast_ratio,
        "generate_with_refined_masks_vs_generate": refined_masks / drawn,
        "memory_vs_published": memory["published"] / memory["with_masks"],
        **bench.agreement(),
    }
    for name, value in report.items():
        print(f"{name:42s} {value:.6g}")
    print(json.dumps(report))


class Bench:
    """One generator, one projection and head, and the forms that use them."""

    def __init__(self, resolution: int, batch: int) -> None:
        self.rng = torch.Generator().manual_seed(0)
        self.generator = narrow_generator(resolution, self.rng)
        codes = torch.randn(batch, self.generator.z_dim, generator=self.rng)
        self.latent_w = self.generator.mapping(codes).clone()
        self.one = self.latent_w[:1]
        channels = [site.channels for site in self.generator.sites]
        self.features = sum(channels)
        scale = self.features**-0.5
        self.projection = torch.randn(PROJECTED, self.features, generator=self.rng) * scale
        self.head = torch.randn(CLASSES, PROJECTED, generator=self.rng)
        site_map = SiteMap(
            weights=self.projection.split(channels, dim=1), bias=torch.zeros(PROJECTED)
        )
        self.folded = site_map.folded(self.head, torch.zeros(CLASSES))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.networks = [per_pixel(self.features, CLASSES).eval() for _ in range(NETWORKS)]

    def generate(self) -> np.ndarray:
        """Scans as pixels."""
        return generated_images(self.generator, self.generator.synthesis(self.latent_w))

    def with_masks(self, refine: RefineConfig | None = None) -> np.ndarray:
        """Scans as pixels, and their label maps, of one pass."""
        images, scores = project(self.generator, self.latent_w, self.folded, "bilinear")
        generated_images(self.generator, images)
        return largest(refined(scores, images, refine) if refine else scores)[1].numpy()

    def with_refined_masks(self) -> np.ndarray:
        """The same with scores drawn to edges, as `learn` sets it."""
        return self.with_masks(LearnConfig().refine)

    def added_seconds(self) -> float:
        """CPU seconds of all that masks add to a pass that draws scans."""
        streamed, spent = StreamedProjection(self.folded, "bilinear"), 0.0

        def timed(site: int, activation: Tensor) -> None:
            nonlocal spent
            begun = time.process_time()
            streamed(site, activation)
            spent += time.process_time() - begun

        self.generator.synthesis(self.latent_w, on_activation=timed)
        begun = time.process_time()
        largest(streamed.result())
        return spent + time.process_time() - begun

    def published(self) -> np.ndarray:
        """Label map of one scan from a second pass, all features concatenated at full size."""
        return self.published_scores().argmax(1).numpy()

    def published_scores(self) -> Tensor:
        """Class scores of the published form; features grow by repetition."""
        maps = concatenated(self.generator, self.one, "nearest")
        pixels = functional.conv2d(maps, self.projection[:, :, None, None])
        return functional.conv2d(pixels, self.head[:, :, None, None])

    def ensemble(self) -> np.ndarray:
        """Label map of one scan by ten networks a pixel, from a second pass."""
        maps = concatenated(self.generator, self.one, "nearest")
        pixels = maps[0].flatten(1).T
        parts = [
            torch.stack([functional.softmax(n(some), 1) for n in self.networks]).mean(0).argmax(1)
            for some in pixels.split(8192)
        ]
        return torch.cat(parts).numpy()

    def agreement(self) -> dict[str, float]:
        """How far the folded form, growing features alike, is from the published one."""
        plain = self.published_scores()
        folded = project(self.generator, self.one, self.folded, "nearest")[1]
        same = largest(folded)[1] == largest(plain)[1]
        return {
            "largest_relative_difference": float((folded - plain).abs().max() / plain.abs().max()),
            "share_of_equal_labels": float(same.float().mean()),
        }


def narrow_generator(resolution: int, rng: torch.Generator) -> Generator:
    """Return a generator with random weights: 2,528 values a pixel at 256 px."""
    config = NetworkConfig(resolution=resolution, channel_base=4096, channel_max=512)
    generator = Generator(config).eval().requires_grad_(False)
    for parameter in generator.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=rng))
    return generator


def in_turn(forms: list[Form], rounds: int) -> np.ndarray:
    """Return CPU seconds (round, form), timed in turn so that drift hits all alike."""
    seconds = np.zeros((rounds, len(forms)))
    for row in seconds:
        for place, form in enumerate(forms):
            begun = time.process_time()
            form()
            row[place] = time.process_time() - begun
    return seconds


def peak_megabytes(form: Form) -> float:
    """Return how far memory rises while a form runs once, in a child process of its own."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def measure() -> None:
        before = _status_megabytes("VmRSS")
        form()
        sender.send(_status_megabytes("VmHWM") - before)

    child = context.Process(target=measure)
    child.start()
    risen: float = receiver.recv()
    child.join()
    return risen


def _status_megabytes(field: str) -> float:
    """Return a figure of this process in megabytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith(field)).split()[1]) / 1024


if __name__ == "__main__":
    main()
