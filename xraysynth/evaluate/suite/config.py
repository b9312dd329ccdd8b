"""What the suite measures, and on how much."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from xraysynth.evaluate.oracle import OracleConfig
from xraysynth.gan.inversion import InversionConfig
from xraysynth.gan.sampling import EXPORTED_PSI
from xraysynth.oneshot.baselines.feature_maps import BaselineConfig
from xraysynth.oneshot.baselines.published import PublishedConfig
from xraysynth.oneshot.head import HeadConfig
from xraysynth.oneshot.labeller import LabellerConfig
from xraysynth.oneshot.labelling import ExemplarConfig
from xraysynth.oneshot.learn import LearnConfig
from xraysynth.oneshot.methods import METHODS
from xraysynth.oneshot.unlabelled import UnlabelledConfig
from xraysynth.settings import Settings

Protocol = Literal["A", "B", "C"]
BAG = "bag"
"""Name of the task of all classes."""


class DownstreamConfig(Settings):
    """Protocol C: a network trained on exported pairs alone."""

    methods: tuple[str, ...] = (
        "ours",
        "ours, all exemplars at once",
        "ours, eight scans chosen together",
        "published",
    )
    """Whose pairs are trained on."""
    requests: tuple[bool, ...] = (False, True)
    """Whether masks follow what scans were asked to hold; of a generator that can be asked."""
    exemplars: int = Field(3, ge=1)
    """Exemplars, of those of the other protocols, that it is done for; each has its own network."""
    tasks: tuple[str, ...] = (BAG,)
    """Tasks that it is done for."""
    pairs: int = Field(1000, ge=20)
    """Generated scans with their masks; as many simulated ones with exact masks beside them."""
    unet: LabellerConfig = LabellerConfig(steps=400, width=8)
    """The network and its training, alike for both."""


class MaterialConfig(Settings):
    """What all methods are taught and tested on."""

    exemplars: int = Field(5, ge=2)
    """Labelled scans a task, each learned from alone."""
    binary_tasks: int = Field(5, ge=0)
    """Threats with a task of their own."""
    scans: int = Field(150, ge=2)
    """Generated scans that all tasks are tested on (A)."""
    truncation_psi: float = Field(EXPORTED_PSI, gt=0, le=1)
    """Truncation of those scans."""
    inverted: int = Field(40, ge=1)
    """Held-out simulated scans that are inverted into the generator (B)."""
    inversion: InversionConfig = InversionConfig(candidates=1024, steps=120)
    """How they are inverted."""
    exemplar: ExemplarConfig = ExemplarConfig(candidates=64)
    """How exemplars are chosen and labelled."""
    together: ExemplarConfig = ExemplarConfig(count=8, candidates=160)
    """How several are chosen that hold all classes between them, as the quickstart does."""
    oracle: OracleConfig = OracleConfig()
    """The judge of generated scans."""


class SuiteConfig(Settings):
    """The whole suite."""

    methods: tuple[str, ...] = tuple(METHODS)
    """Methods to compare; ours is always one."""
    tasks: tuple[str, ...] = ()
    """Only these tasks, such as "bag" or "knife"; all if empty."""
    protocols: tuple[Protocol, ...] = ("A", "B", "C")
    """A: an oracle's labels of generated scans. B: inverted scans. C: downstream training."""
    clusterings: int = Field(3, ge=1)
    """How often the part without labels is learned; exemplars take turns."""
    published: PublishedConfig = PublishedConfig()
    """The published recipe's numbers."""
    baseline: BaselineConfig = BaselineConfig()
    """Those of the other methods but ours."""
    ours: LearnConfig = LearnConfig(head=HeadConfig(unlabelled=UnlabelledConfig(clutter=True)))
    """Those of ours, as for `learn`."""
    material: MaterialConfig = MaterialConfig()
    """What all methods are taught and tested on."""
    downstream: DownstreamConfig = DownstreamConfig()
    """Protocol C."""
