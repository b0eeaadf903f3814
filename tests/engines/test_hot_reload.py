"""Saving a file reloads its script, whatever way the editor saves, and nothing else does."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.engine import Runtime
from scriptengines.python import PythonRuntime
from scriptengines.session import Session
from scriptnative import Function, bind
from tests.conftest import Log, line_of

type Write = Callable[[str, str], Path]

TEXTS = {
    "it.py": "def version():\n    return {}\n",
    "it.lua": "function version()\n  return {}\nend\n",
    "it.c": """#include <scriptconsole.h>
static int version(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {{
    *out = sc_int({});
    return 0;
}}
static const sc_export exports[] = {{{{"version", version, ":l", ""}}, {{0}}}};
static const sc_module module = {{SC_ABI_VERSION, "it", "1", exports, NULL, NULL, NULL}};
SC_MODULE(module)
""",
}


@pytest.fixture(params=TEXTS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def path(session: Session, write: Write, name: str) -> Path:
    path = write(name, TEXTS[name].format(1))
    session.load(path)
    session.watch()
    return path


def in_place(path: Path, text: str) -> None:
    path.write_text(text)


def by_rename(path: Path, text: str) -> None:
    """As vim and most IDEs do: a new file takes the old one's name."""
    scratch = path.with_name("4913~")
    scratch.write_text(text)
    os.replace(scratch, path)


def by_backup(path: Path, text: str) -> None:
    """As vim does with 'backupcopy=no': the old file goes away first."""
    path.rename(path.with_name("it~"))
    path.write_text(text)


def in_pieces(path: Path, text: str) -> None:
    with path.open("w") as file:
        for character in text:
            file.write(character)
            file.flush()


@pytest.mark.parametrize("save", [in_place, by_rename, by_backup, in_pieces])
def test_a_saved_file_goes_live(
    session: Session, path: Path, name: str, log: Log, save: Callable[..., None]
) -> None:
    for number in (2, 3):
        save(path, TEXTS[name].format(number))
        log.until(lambda number=number: session.call("it", "version") == number, f"version {number}")


def test_many_quick_saves_end_with_the_last(session: Session, path: Path, name: str, log: Log) -> None:
    for number in range(2, 30):
        (in_place if number % 2 else by_rename)(path, TEXTS[name].format(number))
    log.until(lambda: session.call("it", "version") == 29, "the last version")


def test_a_broken_version_is_shown_and_a_mended_one_goes_live(
    session: Session, path: Path, name: str, log: Log
) -> None:
    path.write_text(TEXTS[name].format("= ="))
    log.wait_for("reload refused: ")
    script = session.script("it")
    assert script.call("version") == 1
    error = script.view().last_error
    assert error is not None
    assert (error.file, error.line) == (str(path), line_of(path, "= ="))
    path.write_text(TEXTS[name].format(3))
    log.until(lambda: script.call("version") == 3, "the mended version")


def test_saving_the_same_text_again_reloads_nothing(
    session: Session, path: Path, name: str, log: Log
) -> None:
    path.write_text(TEXTS[name].format(1))
    os.utime(path)
    path.write_text(TEXTS[name].format(2))
    log.until(lambda: session.call("it", "version") == 2)
    assert session.script("it").generation == 2


def test_a_file_that_is_gone_for_a_moment_changes_nothing(
    session: Session, path: Path, name: str, log: Log
) -> None:
    path.unlink()
    assert session.call("it", "version") == 1
    path.write_text(TEXTS[name].format(2))
    log.until(lambda: session.call("it", "version") == 2)


def test_a_script_loaded_later_is_watched_too(
    session: Session, write: Write, log: Log, tmp_path: Path
) -> None:
    session.watch()
    folder = tmp_path / "later"
    folder.mkdir()
    path = folder / "it.py"
    path.write_text(TEXTS["it.py"].format(1))
    session.load(path)
    path.write_text(TEXTS["it.py"].format(2))
    log.until(lambda: session.call("it", "version") == 2)


def test_a_script_that_was_unloaded_is_left_alone(session: Session, write: Write, log: Log) -> None:
    first, second = (write(name, TEXTS[name].format(1)) for name in ("it.py", "it.lua"))
    session.load(first, "gone")
    session.load(second, "there")
    session.watch()
    session.unload("gone")
    first.write_text(TEXTS["it.py"].format(2))
    second.write_text(TEXTS["it.lua"].format(2))
    log.until(lambda: session.call("there", "version") == 2)
    assert [script.alias for script in session.scripts] == ["there"]


def test_a_folder_that_cannot_be_watched_keeps_no_script_out(
    session: Session, write: Write, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    from watchdog.observers import Observer

    def refuse(*_given: object, **_named: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    session.watch()
    monkeypatch.setattr(Observer, "schedule", refuse)
    script = session.load(write("it.lua", TEXTS["it.lua"].format(1)))
    assert script.call("version") == 1
    log.wait_for("changes of its files go unnoticed: [Errno 28] inotify watch limit reached")
    session.reload("it")
    assert script.generation == 2


def test_a_call_that_looks_its_function_up_during_a_reload_reaches_the_new_version(
    session: Session, write: Write, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = session.load(write(name, TEXTS[name].format(1)))
    old = script.runtime
    reload_first(session, write(name, TEXTS[name].format(2)), monkeypatch, old, old.bind)
    assert script.call("version") == 2


@pytest.mark.parametrize("isolation", ["isolated", "shared", "main"])
def test_a_lookup_that_got_its_turn_after_the_reload_reaches_the_new_version(
    session: Session, write: Write, isolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = session.load(write("it.py", TEXTS["it.py"].format(1)), isolation=isolation)
    old = script.runtime
    assert isinstance(old, PythonRuntime)
    lookup = old._inside["lookup"]  # asked for before the reload, answered after it
    reload_first(
        session,
        write("it.py", TEXTS["it.py"].format(2)),
        monkeypatch,
        old,
        lambda function: bind(function, lookup(function.name)),
    )
    assert script.call("version") == 2


def reload_first(
    session: Session,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    old: Runtime,
    look_up: Callable[[Function], None],
) -> None:
    """Have a running version look functions up when the next one has come and it has ended itself."""

    def late(function: Function) -> None:
        reload = threading.Thread(target=session.reload, args=(path.stem,))
        reload.start()
        reload.join()
        look_up(function)

    monkeypatch.setattr(old, "bind", late)
