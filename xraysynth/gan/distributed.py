"""Several processes that train as one: each computes its share of the joined batch.

No wrapper around the networks: a lazily regularised phase leaves some parameters without a
gradient, which bucketed reduction gets silently wrong. Instead every phase ends with one sum over
all processes of one flat vector, in which a missing gradient is zero. Random numbers are drawn for
the joined batch everywhere, and each process takes its rows, so that any number of processes does
what one does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from xraysynth.errors import InputError

MINIBATCH_GROUP = 4
"""Samples that share minibatch statistics; they must not be parted."""


@dataclass(frozen=True)
class Share:
    """Which samples of the joined batch this process computes; by default all."""

    rank: int = 0
    world: int = 1
    period: int = 1
    """A quarter of the joined batch: samples that far apart share minibatch statistics."""

    def rows(self, count: int) -> list[int]:
        """Return this process's numbers among samples 0 to `count`.

        Examples
        --------
        >>> Share(rank=1, world=2, period=4).rows(16)
        [1, 3, 5, 7, 9, 11, 13, 15]
        """
        return [row for row in range(count) if row % self.period % self.world == self.rank]

    def of(self, joined: Tensor) -> Tensor:
        """Return this process's rows of a tensor over the joined batch (or its first half)."""
        return joined if self.world == 1 else joined[self.rows(len(joined))]


ALONE = Share()
"""The share of a process that trains by itself."""


@dataclass(frozen=True)
class JoinedRng:
    """Noise of the joined batch, of which a process takes its rows."""

    rng: torch.Generator
    share: Share

    def normal(self, shape: Iterable[int]) -> Tensor:
        """Return standard normal numbers for this process's samples, the first axis of `shape`."""
        count, *rest = shape
        joined = torch.randn(
            (count * self.share.world, *rest), generator=self.rng, device=self.rng.device
        )
        return self.share.of(joined)


def share_of(batch: int) -> Share:
    """Return this process's share of a joined batch.

    Raises
    ------
    InputError
        If the batch cannot be divided without parting minibatch groups.
    """
    world = processes()
    if world == 1:
        return ALONE
    unit = MINIBATCH_GROUP * world
    if batch % unit:
        raise InputError(
            f"batch is {batch} and {world} processes train; want a multiple of {unit} "
            f"({MINIBATCH_GROUP} samples share minibatch statistics)."
        )
    return Share(dist.get_rank(), world, batch // MINIBATCH_GROUP)


def processes() -> int:
    """Return how many processes train together."""
    joined = dist.is_available() and dist.is_initialized()
    return dist.get_world_size() if joined else 1


def is_first() -> bool:
    """Say whether this process is the one that writes files and talks."""
    return processes() == 1 or dist.get_rank() == 0


@contextmanager
def joined_processes(device: str) -> Iterator[None]:
    """Join the processes that `torchrun` started, if it did; part from them at the end.

    `device` is the setting: on CUDA each process takes the accelerator of its local rank.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or dist.is_initialized():
        yield
        return
    cuda = device != "cpu" and torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("nccl" if cuda else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


@torch.no_grad()
def broadcast(modules: Iterable[nn.Module]) -> None:
    """Give all processes the weights and buffers of the first one; also waits for all."""
    if processes() == 1:
        return
    for module in modules:
        for tensor in module.state_dict().values():
            dist.broadcast(tensor, 0)


@torch.no_grad()
def average(values: Tensor) -> Tensor:
    """Return the mean over all processes."""
    if processes() == 1:
        return values
    total = values.clone()
    dist.all_reduce(total)
    return total / processes()


@torch.no_grad()
def average_gradients(parameters: Iterable[Tensor], loss: Tensor) -> float:
    """Average gradients over all processes in one go; return the joined loss.

    A parameter without gradient counts as zero. The loss travels along, so that one that is not
    finite anywhere is seen everywhere.
    """
    held = list(parameters)
    for parameter in held:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    if processes() == 1:
        return loss.item()
    gradients = [parameter.grad for parameter in held if parameter.grad is not None]
    flat = average(torch.cat([*(part.flatten() for part in gradients), loss.reshape(1)]))
    *parts, joined_loss = flat.split([*(part.numel() for part in gradients), 1])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
    return joined_loss.item()
