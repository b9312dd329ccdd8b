"""What `audit` refuses, and what it warns of."""

import os
from functools import partial
from pathlib import Path

import h5py
import pytest
from audit_exports import export, samples

from xraysynth.audit import AuditConfig, audit
from xraysynth.cli import main
from xraysynth.errors import DamagedError, InputError, SettingsError
from xraysynth.settings import settings_from_mapping
from xraysynth.shards.convert import convert
from xraysynth.shards.verify import verify


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """A small export to break."""
    return export(tmp_path / "shards", samples(6, (16, 16, 3)))


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist; want a folder of shards"):
        audit(tmp_path / "nowhere", tmp_path / "out")


def test_report_never_replaces_a_file(shards: Path) -> None:
    with pytest.raises(InputError, match="is a file; want a folder for the report"):
        audit(shards, shards / "manifest.json")


@pytest.mark.parametrize("place", [".", "sub", "deep/sub", "../link/sub"])
def test_no_export_gets_a_report_or_a_conversion_into_its_folder(
    shards: Path, tmp_path: Path, place: str
) -> None:
    other = export(tmp_path / "other", samples(4, (16, 16, 3)))
    (tmp_path / "link").symlink_to(shards, target_is_directory=True)
    for source in (shards, other):
        for write in (partial(audit, source), partial(convert, source, "coco")):
            with pytest.raises(InputError, match=r"holds the shards.*; name another folder"):
                write(shards / place)
    assert verify(shards).ok


@pytest.mark.parametrize("command", [["audit"], ["convert", "--to", "coco"]])
def test_tables_that_are_not_those_of_the_export_are_told(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    for said, spoil in (
        ("", lambda path: None),
        ("its bytes were changed", lambda path: os.truncate(path, 1000)),
        ("is not there", Path.unlink),
    ):
        spoil(shards / "tables.h5")
        name, *more = command
        assert main([name, str(shards), *more, "--out", str(tmp_path / f"out {said}")]) == 0
        told = capsys.readouterr().err
        assert (said in told and "warning" in told) if said else "warning" not in told


def test_missing_shard_is_damage_and_leaves_no_report(shards: Path, tmp_path: Path) -> None:
    (shards / "shard-00001.h5").unlink()
    with pytest.raises(DamagedError, match=r"shard-00001\.h5 is not there") as caught:
        audit(shards, tmp_path / "out")
    assert caught.value.exit_status == 3
    assert not (tmp_path / "out").exists()


def test_truncated_shard_is_damage(shards: Path, tmp_path: Path) -> None:
    path = shards / "shard-00000.h5"
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(DamagedError, match=r"shard-00000\.h5"):
        audit(shards, tmp_path / "out")


def test_mask_with_a_nameless_class_is_damage(shards: Path, tmp_path: Path) -> None:
    with h5py.File(shards / "shard-00001.h5", "r+") as file:
        file["masks"][0, 0, 0] = 9
    with pytest.raises(DamagedError, match="class 9; its 5 classes end at 4") as caught:
        audit(shards, tmp_path / "out")
    assert caught.value.code == "mask-class"


def test_shard_of_another_size_is_damage(shards: Path, tmp_path: Path) -> None:
    other = export(tmp_path / "other", samples(6, (8, 16, 3)))
    (shards / "shard-00001.h5").write_bytes((other / "shard-00001.h5").read_bytes())
    with pytest.raises(DamagedError, match=r"shard-00001\.h5 holds images \(2, 8, 16, 3\)"):
        audit(shards, tmp_path / "out")


def test_scans_that_are_shards_are_named(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds shard; want a file of scans"):
        audit(shards, tmp_path / "out", scans=shards / "shard-00000.h5")
    with pytest.raises(InputError, match="does not exist"):
        audit(shards, tmp_path / "out", scans=tmp_path / "none.h5")


def test_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match=r"did you mean audit\.hash_distance"):
        settings_from_mapping(AuditConfig, {"hash_distanc": 3}, "audit")
