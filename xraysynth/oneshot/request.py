"""What a generator was asked for, as knowledge about the labels of what it drew.

A request is exact: asked for a knife, a conditional generator draws a knife and none of the other
threats that it can be asked for. So whatever looks like one of those threats is the one that was
asked for: a knife takes over the probability of all of them, even where no exemplar shows a knife.
Where the generator's latents say which clutter a scan holds (`gan/clutter.py`), the same goes for
its classes. Others that it cannot be asked for (bag, organic, ...) keep their scores, and contents
do in a scan that was asked for nothing in particular. That is free supervision, as true as the
generator is obedient; `docs/decisions/0012-requests-as-labels.md` has the figures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xraysynth import schema
from xraysynth.errors import InputError
from xraysynth.gan.clutter import said_classes
from xraysynth.gan.config import UNKNOWN, Clutter

IMPOSSIBLE = float("-inf")
FAVOUR = 1.0
"""Added to the scores of what was asked for: it is surely there, which no exemplar says."""


@dataclass(frozen=True, kw_only=True)
class RequestRule:
    """How the scores of a segmenter follow from what scans were asked to hold."""

    class_names: tuple[str, ...]
    """Names of the scores afterwards: the segmenter's, then those that only requests name."""
    label_names: tuple[str, ...]
    """What the generator can be asked for, and "unknown"."""
    n_known: int
    """Number of classes that the segmenter knows."""
    favour: float = FAVOUR
    """Added to the scores of what was asked for, in nats."""
    clutter_names: tuple[str, ...] = ()
    """Classes of clutter that latents decide on."""

    @classmethod
    def of(
        cls,
        class_names: Sequence[str],
        label_names: Sequence[str],
        askable: Sequence[str],
        clutter_names: Sequence[str] = (),
    ) -> RequestRule:
        """Return the rule of a segmenter and a generator.

        Parameters
        ----------
        class_names : the segmenter's, background first
        label_names : `NetworkConfig.label_names`
        askable : what will be asked for, of the generator's contents
        clutter_names : `clutter.clutter_classes` of the generator

        Raises
        ------
        InputError
            The classes are more than a shard can hold.

        Examples
        --------
        One exemplar with a gun is enough to label knives that were asked for as such.

        >>> labels = ("gun", "knife", "unknown")
        >>> RequestRule.of(("background", "gun"), labels, ["knife"]).class_names
        ('background', 'gun', 'knife')
        """
        contents = [name for name in label_names if name != UNKNOWN]
        own = {name.casefold() for name in class_names}
        groups = {group_of(name) for name in contents if name.casefold() in own}
        new = [n for n in askable if n.casefold() not in own and group_of(n) in groups]
        names = (*class_names, *dict.fromkeys(new))
        if len(names) > schema.MAX_CLASSES:
            raise InputError(
                f"the segmenter knows {len(class_names)} classes and requests add "
                f"{', '.join(names[len(class_names) :])}; want at most {schema.MAX_CLASSES} in "
                "all. Ask for fewer (--contains), let labels not follow the requests (--set "
                "use_request=false), or learn fewer classes."
            )
        return cls(
            class_names=names,
            label_names=tuple(label_names),
            n_known=len(class_names),
            clutter_names=tuple(clutter_names),
        )

    def scores(self, scores: Tensor, asked: Tensor) -> Tensor:
        """Return the scores of all classes, given what each scan was asked to hold.

        Parameters
        ----------
        scores : (n, n_known, H, W)
            The segmenter's, logarithms of probabilities but for a constant a pixel.
        asked : (n, labels and classes of clutter)
            Multi-hot rows as the generator was given them; a row with "unknown" asks for nothing.
            Beside them what latents say of clutter, `clutter.said_classes`, if that is known.

        Returns
        -------
        (n, classes, H, W)
            Minus infinity where a class cannot be. In each group of contents, the classes asked for
            share what the group had: by their own scores; what looks like one that was not asked
            for goes to those that the segmenter does not know, if there are any.
        """
        n, _, height, width = scores.shape
        result = scores.new_full((n, len(self.class_names), height, width), IMPOSSIBLE)
        result[:, : self.n_known] = scores
        rows = asked.cpu().bool().tolist()
        names = (*self.label_names, *self.clutter_names)
        contents = tuple(name for name in self.label_names if name != UNKNOWN)
        for pattern in {tuple(row) for row in rows}:
            wanted = {n for n, on in zip(names, pattern, strict=True) if on}
            some = torch.tensor([tuple(row) == pattern for row in rows], device=scores.device)
            own, given = scores[some], result[some]
            if UNKNOWN not in wanted:
                given = self._given(own, given, contents, wanted, self.favour)
            result[some] = self._given(own, given, self.clutter_names, wanted, FAVOUR)
        return result

    def _given(
        self,
        scores: Tensor,
        result: Tensor,
        contents: tuple[str, ...],
        wanted: set[str],
        favour: float,
    ) -> Tensor:
        """Return `result` for scans that all hold the same of some contents."""
        for group in {group_of(name) for name in contents}:
            of_group = {n.casefold() for n in contents if group_of(n) == group}
            asked = {n.casefold() for n in wanted} & of_group
            known = self._places(of_group, 0, self.n_known)
            if not known:
                continue
            result[:, known] = IMPOSSIBLE
            own = self._places(asked, 0, self.n_known)
            new = self._places(asked, self.n_known, len(self.class_names))
            rest = [place for place in known if place not in own]
            if new:
                result[:, own] = scores[:, own]
                if rest:
                    share = scores[:, rest].logsumexp(1, keepdim=True) - math.log(len(new))
                    result[:, new] = share.expand(-1, len(new), -1, -1)
            elif own:
                before = scores[:, own].logsumexp(1, keepdim=True)
                result[:, own] = scores[:, own] + scores[:, known].logsumexp(1, keepdim=True)
                result[:, own] -= before
            result[:, [*own, *new]] += favour
        return result

    def _places(self, names: set[str], start: int, stop: int) -> list[int]:
        """Return the ids, from `start` to `stop`, of some classes; never the background."""
        return [
            class_id
            for class_id in range(max(start, 1), stop)
            if self.class_names[class_id].casefold() in names
        ]


def group_of(name: str) -> str:
    """Return the group of a class; names that are not ours are a group of their own."""
    info = schema.classes().get(name.casefold())
    return info.group if info else "other"


def known_of(clutter: Clutter, asked: Tensor | None, latent_z: Tensor) -> Tensor | None:
    """Return what is known of scans, as `RequestRule.scores` takes it; None for nothing.

    requests (n, labels), latents (n, z_dim) -> (n, labels and classes of clutter)
    """
    said = said_classes(latent_z, clutter) if clutter else None
    parts = [part.to(latent_z) for part in (asked, said) if part is not None]
    return torch.cat(parts, dim=1) if parts else None
