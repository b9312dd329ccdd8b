"""The engine on stages of a few lines: what is run, skipped, redone and refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import Field

from xraysynth.errors import DamagedError, InputError, StageError, StorageError
from xraysynth.files import write_json
from xraysynth.pipeline import ground
from xraysynth.pipeline.definition import Pipeline, pipeline_from_mapping
from xraysynth.pipeline.engine import plan, run_pipeline
from xraysynth.pipeline.stage import Context
from xraysynth.progress import Progress, silent
from xraysynth.settings import Settings


class CountSettings(Settings):
    count: int = Field(3, ge=1)
    source: str = ""


class FakeStage:
    """Writes its settings, its seed and what its needs wrote."""

    room = ""

    def __init__(
        self, name: str, needs: tuple[str, ...] = (), then: Callable[[Context], None] | None = None
    ):
        self.name = name
        self.needs = needs
        self.runs = 0
        self.then = then or (lambda context: None)

    def settings(self) -> type[Settings]:
        return CountSettings

    def inputs(self, context: Context) -> list[Path]:
        return [Path(context.settings.source)] if context.settings.source else []

    def outputs(self, context: Context) -> list[Path]:
        return [context.folder / self.name]

    def scratch(self, context: Context) -> list[Path]:
        return [context.folder / f".{self.name}.parts"]

    def run(self, context: Context) -> None:
        self.runs += 1
        self.then(context)
        output = context.folder / self.name
        output.mkdir(exist_ok=True)
        above = [(context.folder / need / "out.txt").read_text() for need in self.needs]
        text = f"{self.name} {context.settings.count % 10} {context.seed} {above}"
        (output / "out.txt").write_text(text)


class Log:
    """An observer that keeps what it hears."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def skipped(self, stage: str) -> None:
        self.events.append(f"{stage} skipped")

    def started(self, stage: str, reason: str) -> Progress:
        self.events.append(f"{stage}: {reason}")
        return silent

    def finished(self, stage: str, seconds: float) -> None:
        self.events.append(f"{stage} done")


Chain = dict[str, FakeStage]


@pytest.fixture
def chain() -> Chain:
    stages = [FakeStage("first"), FakeStage("second", ("first",)), FakeStage("third", ("second",))]
    return {stage.name: stage for stage in stages}


def make(chain: Chain, **settings: Any) -> Pipeline:
    mapping: dict[str, Any] = {"name": "fake", "first": {}, "second": {}, "third": None}
    return pipeline_from_mapping({**mapping, **settings}, chain)


def runs(chain: Chain) -> list[int]:
    return [stage.runs for stage in chain.values()]


def test_stages_run_once_and_are_then_up_to_date(chain: Chain, tmp_path: Path) -> None:
    run_pipeline(make(chain), tmp_path)
    log = Log()
    run_pipeline(make(chain), tmp_path, log)
    assert runs(chain) == [1, 1, 1]
    assert log.events == ["first skipped", "second skipped", "third skipped"]


def test_a_changed_setting_redoes_its_stage_and_what_follows(chain: Chain, tmp_path: Path) -> None:
    run_pipeline(make(chain), tmp_path)
    log = Log()
    run_pipeline(make(chain, second={"count": 4}), tmp_path, log)
    assert runs(chain) == [1, 2, 2]
    assert log.events == [
        "first skipped",
        "second: changed: settings (count)",
        "second done",
        "third: changed: upstream (second)",
        "third done",
    ]


def test_a_redone_stage_with_equal_files_spares_what_follows(chain: Chain, tmp_path: Path) -> None:
    run_pipeline(make(chain), tmp_path)
    run_pipeline(make(chain, first={"count": 13}), tmp_path)
    assert runs(chain) == [2, 1, 1]


def test_another_seed_redoes_everything(chain: Chain, tmp_path: Path) -> None:
    run_pipeline(make(chain), tmp_path)
    run_pipeline(make(chain, seed=1), tmp_path)
    assert runs(chain) == [2, 2, 2]


def test_the_number_of_workers_redoes_nothing(chain: Chain, tmp_path: Path) -> None:
    run_pipeline(make(chain), tmp_path)
    run_pipeline(make(chain, workers=4), tmp_path)
    assert runs(chain) == [1, 1, 1]


def test_a_deleted_output_is_made_again(chain: Chain, tmp_path: Path) -> None:
    run_pipeline(make(chain), tmp_path)
    (tmp_path / "second/out.txt").unlink()
    run_pipeline(make(chain), tmp_path)
    assert runs(chain) == [1, 2, 1]


def test_a_changed_output_is_made_again_although_size_and_time_are_the_same(
    chain: Chain, tmp_path: Path
) -> None:
    run_pipeline(make(chain), tmp_path)
    output = tmp_path / "first/out.txt"
    text, times = output.read_text(), output.stat()
    output.write_text(text.swapcase())
    os.utime(output, ns=(times.st_atime_ns, times.st_mtime_ns))
    log = Log()
    run_pipeline(make(chain), tmp_path, log)
    assert runs(chain) == [2, 1, 1]
    assert output.read_text() == text
    kept = tmp_path / ".work/set_aside/first"
    assert log.events[0] == f"first: its files were changed (they are kept in {kept})"
    assert (kept / "first/out.txt").read_text() == text.swapcase()


def test_the_latest_changed_files_are_kept_whatever_else_has_changed(
    chain: Chain, tmp_path: Path
) -> None:
    kept = tmp_path / ".work/set_aside/first/first/out.txt"
    for count, text in enumerate(("edited", "edited again"), 4):
        run_pipeline(make(chain), tmp_path)
        (tmp_path / "first/out.txt").write_text(text)
        run_pipeline(make(chain, first={"count": count}), tmp_path)
        assert kept.read_text() == text
    run_pipeline(make(chain), tmp_path)
    assert kept.read_text() == "edited again"


def test_setting_aside_loses_nothing_where_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / "a.txt", tmp_path / "b.txt"]
    stage: Any = SimpleNamespace(name="one", outputs=lambda _: files, scratch=lambda _: [])
    context: Any = SimpleNamespace(folder=tmp_path, work_key="key")
    for file in files:
        file.write_text(f"edited {file.name}")
    replace = os.replace

    def killed(source: Path, target: Path) -> None:
        if source == files[1]:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        ground.clear(stage, context, keep=True)
    monkeypatch.setattr(os, "replace", replace)
    ground.clear(stage, context, keep=True)
    kept = ground.set_aside_folder(stage, tmp_path)
    assert [(kept / file.name).read_text() for file in files] == ["edited a.txt", "edited b.txt"]


def test_a_changed_input_file_redoes_its_stage(chain: Chain, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "scan.png").write_text("one")
    pipeline = make(chain, first={"source": str(source)})
    run_pipeline(pipeline, tmp_path / "run")
    (source / "scan.png").write_text("two")
    log = Log()
    run_pipeline(pipeline, tmp_path / "run", log)
    assert runs(chain) == [2, 1, 1]
    assert log.events[0] == f"first: changed: inputs ({source})"


def test_changed_code_redoes_the_stage(
    chain: Chain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_pipeline(make(chain), tmp_path)
    monkeypatch.setattr(
        "xraysynth.pipeline.engine.code_version", lambda stage: f"new {stage.name == 'third'}"
    )
    run_pipeline(make(chain), tmp_path)
    assert runs(chain) == [2, 2, 2]


def test_a_missing_input_is_named(chain: Chain, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        run_pipeline(make(chain, first={"source": str(tmp_path / "nowhere")}), tmp_path / "run")


def test_a_failed_stage_keeps_its_work_and_goes_on_from_there(tmp_path: Path) -> None:
    def half(context: Context) -> None:
        parts = context.folder / ".only.parts"
        if parts.exists():
            return
        parts.mkdir()
        raise StorageError("the disk is full")

    chain = {"only": FakeStage("only", then=half)}
    pipeline = pipeline_from_mapping({"name": "fake", "only": {}}, chain)
    with pytest.raises(StorageError):
        run_pipeline(pipeline, tmp_path)
    assert json.loads((tmp_path / "run.json").read_text())["stages"]["only"]["status"] == "failed"
    record = run_pipeline(pipeline, tmp_path)
    assert record.stages["only"].status == "done"
    assert record.stages["only"].resumed


def test_unfinished_work_of_other_settings_is_thrown_away(tmp_path: Path) -> None:
    found: list[bool] = []

    def interrupted(context: Context) -> None:
        parts = context.folder / ".only.parts"
        found.append(parts.exists())
        parts.mkdir(exist_ok=True)
        if context.settings.count == 3:
            raise KeyboardInterrupt

    chain = {"only": FakeStage("only", then=interrupted)}
    for count in (3, 3, 4):
        pipeline = pipeline_from_mapping({"name": "fake", "only": {"count": count}}, chain)
        if count == 3:
            with pytest.raises(KeyboardInterrupt):
                run_pipeline(pipeline, tmp_path)
        else:
            run_pipeline(pipeline, tmp_path)
    assert found == [False, True, False]


def test_a_damaged_output_is_not_taken_for_unfinished_work(tmp_path: Path) -> None:
    found: list[bool] = []

    def look(context: Context) -> None:
        found.append((context.folder / "only/out.txt").exists())

    chain = {"only": FakeStage("only", then=look)}
    pipeline = pipeline_from_mapping({"name": "fake", "only": {}}, chain)
    run_pipeline(pipeline, tmp_path)
    # As if killed after `run.json` was written and before the note was removed.
    key = json.loads((tmp_path / "run.json").read_text())["stages"]["only"]["key"]
    write_json(tmp_path / ".work/only.json", {"key": key})
    (tmp_path / "only/out.txt").write_text("damaged")
    run_pipeline(pipeline, tmp_path)
    assert found == [False, False]


def test_a_stage_that_makes_nothing_is_an_error(tmp_path: Path) -> None:
    stage = FakeStage("only")
    stage.run = lambda context: None  # type: ignore[method-assign]
    pipeline = pipeline_from_mapping({"name": "fake", "only": {}}, {"only": stage})
    with pytest.raises(StageError, match="only ended without making"):
        run_pipeline(pipeline, tmp_path)


def test_nothing_outside_the_run_folder_is_ever_deleted(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    stage = FakeStage("only")
    stage.scratch = lambda context: [context.folder / "../precious.txt"]  # type: ignore[method-assign]
    pipeline = pipeline_from_mapping({"name": "fake", "only": {}}, {"only": stage})
    with pytest.raises(StageError, match="outside the run's folder"):
        run_pipeline(pipeline, tmp_path / "run")
    assert precious.exists()


@pytest.mark.parametrize(
    ("reader", "place"),
    [("first", "first/out.txt"), ("first", "first"), ("third", ".second.parts/x"), ("first", "up")],
)
def test_an_input_that_a_stage_would_delete_is_refused_before_anything_runs(
    chain: Chain, tmp_path: Path, reader: str, place: str
) -> None:
    folder = tmp_path / "run"
    run_pipeline(make(chain), folder)
    (folder / ".second.parts").mkdir()
    (folder / ".second.parts/x").touch()
    (folder / "up").symlink_to("first")
    pipeline = make(chain, **{reader: {"count": 4, "source": str(folder / place)}})
    for attempt in (lambda: list(plan(pipeline, folder)), lambda: run_pipeline(pipeline, folder)):
        with pytest.raises(InputError, match=f"^{reader} is to read .* deletes .* name the copy"):
            attempt()
    assert (folder / "first/out.txt").exists()
    assert runs(chain) == [1, 1, 1]


def test_a_folder_with_files_of_somebody_else_is_refused(chain: Chain, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds files that no run made"):
        run_pipeline(make(chain), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", "null", '{"pipeline": 1, "stages": {"first": {}}}', "\x00\xff"]
)
def test_a_damaged_record_is_named(chain: Chain, tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(DamagedError, match=r"run\.json"):
        run_pipeline(make(chain), tmp_path)


def test_the_record_names_settings_versions_and_seconds(chain: Chain, tmp_path: Path) -> None:
    run_pipeline(make(chain, seed=5), tmp_path)
    content = json.loads((tmp_path / "run.json").read_text())
    assert content["pipeline"]["seed"] == 5
    assert content["pipeline"]["first"] == {"count": 3, "source": ""}
    assert {"python", "torch", "numpy", "xraysynth", "torch_threads"} <= set(content["machine"])
    assert content["stages"]["first"]["seconds"] >= 0
    assert set(content["stages"]["first"]["outputs"]["first/out.txt"]) == {"bytes", "sha256"}


def test_a_plan_touches_nothing(chain: Chain, tmp_path: Path) -> None:
    run_pipeline(make(chain), tmp_path / "run")
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*"))
    reasons = [one.reason for one in plan(make(chain, second={"count": 9}), tmp_path / "run")]
    assert reasons == ["", "changed: settings (count)", "after second"]
    assert next(plan(make(chain), tmp_path / "other")).reason == "never run"
    assert sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*")) == before


CHILD = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from xraysynth.pipeline.lock import run_folder
with run_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(30)
"""


def test_a_second_run_is_refused_until_the_first_is_killed(chain: Chain, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", CHILD, folder], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=f"in use by another run .process {child.pid}."):
            run_pipeline(make(chain), folder)
        child.send_signal(signal.SIGKILL)
    run_pipeline(make(chain), folder)
    assert runs(chain) == [1, 1, 1]


def test_an_unchanged_run_is_checked_quickly(chain: Chain, tmp_path: Path) -> None:
    run_pipeline(make(chain), tmp_path)
    start = time.monotonic()
    run_pipeline(make(chain), tmp_path)
    assert time.monotonic() - start < 2
