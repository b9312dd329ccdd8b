"""Every stage, in the order in which stages run."""

from __future__ import annotations

from xraysynth.pipeline.stage import Stage
from xraysynth.pipeline.stages.audit import Audit
from xraysynth.pipeline.stages.evaluate import Evaluate
from xraysynth.pipeline.stages.exemplar import MakeExemplar
from xraysynth.pipeline.stages.export import Export
from xraysynth.pipeline.stages.learn import Learn
from xraysynth.pipeline.stages.prepare import Prepare
from xraysynth.pipeline.stages.simulate import Simulate
from xraysynth.pipeline.stages.train_gan import TrainGan

_IN_ORDER: tuple[Stage, ...] = (
    Simulate(),
    Prepare(),
    TrainGan(),
    MakeExemplar(),
    Learn(),
    Export(),
    Evaluate(),
    Audit(),
)

STAGES: dict[str, Stage] = {stage.name: stage for stage in _IN_ORDER}
