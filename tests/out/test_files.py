"""Files are written whole or not at all, and never over another by accident."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from scriptconsole.out.files import Exists, WriteError, write_text


def test_a_file_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_text(path, "ü\r\n\ud800", overwrite=False)
    assert path.read_bytes() == "ü\r\n\\ud800".encode()
    mask = os.umask(0o022)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


def test_one_that_is_there_stays_unless_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    path.chmod(0o600)
    with pytest.raises(Exists, match="is there already"):
        write_text(path, "new", overwrite=False)
    assert path.read_text() == "old"
    write_text(path, "new", overwrite=True)
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    ("name", "message"), [("no/a.csv", "there is no folder"), (".", "is a folder; name a file")]
)
def test_what_cannot_be_written_is_told(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(WriteError, match=message):
        write_text(tmp_path / name, "x", overwrite=False)


def test_a_full_disk_leaves_nothing_behind() -> None:
    full = Path("/dev/shm")
    if not full.is_dir():
        pytest.skip("no memory file system")
    resource = pytest.importorskip("resource")
    import signal
    import tempfile

    with tempfile.TemporaryDirectory(dir=full) as folder:
        path = Path(folder) / "a.csv"
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            with pytest.raises(WriteError, match="cannot be written: File too large"):
                write_text(path, "x" * 5000, overwrite=False)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        assert list(Path(folder).iterdir()) == []
