"""What is remembered of a project: the values, their text, and the file."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scriptconsole.actions import PaneName
from scriptconsole.layout import LIMIT, SIZES, Layout, Slot
from scriptconsole.panes.filter import FilterError, parse_filter
from scriptconsole.state import (
    VERSION,
    SavedPane,
    SavedRow,
    SavedScript,
    SavedState,
    SavedTheme,
    SavedWatch,
    StateError,
    decode,
    encode,
)
from scriptconsole.statefile import SIZE_LIMIT, StateFile

PROJECT = "/srv/greenhouse"


def is_filter(text: str) -> bool:
    try:
        parse_filter(text)
    except FilterError:
        return False
    return True


# Surrogates stand for bytes of a path that are no valid Unicode.
TEXTS = st.text(st.characters(), max_size=40)
NAMES = TEXTS.filter(bool)
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
PATHS = st.lists(TEXTS | st.integers(-(2**53) + 1, 2**53 - 1), min_size=1, max_size=4).map(tuple)
LAYOUTS = st.builds(
    Layout,
    recent=st.permutations(list(PaneName)),
    hidden=st.sets(st.sampled_from(list(Slot)), max_size=len(Slot) - 1),
    sizes=st.fixed_dictionaries(dict.fromkeys(SIZES, st.floats(1 / LIMIT, LIMIT))),
    maximised=st.booleans(),
)
PANES = st.builds(
    SavedPane,
    filter=TEXTS.filter(is_filter),
    sort=TEXTS,
    descending=st.booleans(),
    column=TEXTS,
    settings=st.dictionaries(TEXTS, st.booleans() | NUMBERS | TEXTS, max_size=4),
).filter(lambda pane: pane != SavedPane())
STATES = st.builds(
    SavedState,
    layout=LAYOUTS,
    theme=st.none() | st.builds(SavedTheme, TEXTS, TEXTS),
    scripts=st.lists(st.builds(SavedScript, NAMES, NAMES), max_size=4, unique_by=lambda s: s.alias).map(
        tuple
    ),
    watches=st.lists(st.builds(SavedWatch, NAMES, NAMES), max_size=4).map(tuple),
    rows=st.lists(st.builds(SavedRow, NAMES, PATHS, st.booleans()), max_size=4).map(tuple),
    panes=st.dictionaries(st.sampled_from(list(PaneName)), PANES, max_size=4),
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


def document(state: SavedState | None = None) -> dict[str, Any]:
    return json.loads(encode(state or SavedState(), PROJECT))


def told(changed: dict[str, Any]) -> tuple[SavedState, str]:
    state, left_out = decode(json.dumps(changed).encode(), PROJECT)
    return state, "; ".join(left_out)


# -- values ------------------------------------------------------------------------------------------------


@given(STATES)
def test_every_state_is_read_as_it_was_written(state: SavedState) -> None:
    assert decode(encode(state, PROJECT), PROJECT) == (state, ())


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_refusal(text: bytes) -> None:
    with pytest.raises(StateError):
        decode(text, PROJECT)


@settings(max_examples=300)
@given(STATES, st.data())
def test_a_wrong_value_anywhere_spoils_nothing_else(state: SavedState, data: st.DataObject) -> None:
    changed = document(state)
    node: Any = changed
    names = [name for name in changed if name not in ("format", "version", "project")]
    while True:
        key = data.draw(st.sampled_from(names))
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        node = inner
        names = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
    node[key] = data.draw(VALUES)
    read, left_out = decode(json.dumps(changed).encode(), PROJECT)
    # What was used is a state by itself: it can be written and read again without complaint.
    assert decode(encode(read, PROJECT), PROJECT) == (read, ())
    assert all(sentence and len(sentence) < 300 for sentence in left_out)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": VERSION + 1}, "newer"),
        ({"version": 10**400}, "newer"),
        ({"version": True}, "version"),
        ({"version": "1"}, "version"),
        ({"version": 0}, "version"),
        ({"format": "bookmarks"}, "no state"),
        ({"project": "/srv/attic"}, "another project"),
    ],
)
def test_what_is_not_ours_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(StateError, match=reason):
        decode(json.dumps(document() | change).encode(), PROJECT)


@pytest.mark.parametrize(
    "text", [b"", b"\xff\xfe", b"{", b"[" * 100_000, b'{"a": NaN}', b"9" * 5000, b"[]", b"null", b'"x"']
)
def test_what_is_damaged_is_refused(text: bytes) -> None:
    with pytest.raises(StateError):
        decode(text, PROJECT)


def test_unknown_fields_are_left_out_and_told() -> None:
    changed = document()
    changed["breakpoints"] = []
    changed["layout"]["sizes"]["diagonal"] = 2
    changed["panes"]["inbox"] = {}
    state, text = told(changed)
    assert state == SavedState()
    for name in ("breakpoints", "layout.sizes.diagonal", "panes.inbox"):
        assert f"{name}: is unknown" in text


def test_values_out_of_bounds_are_left_out_and_told() -> None:
    changed = document()
    changed["layout"] |= {"hidden": list(Slot), "recent": ["log", "inbox", "log"], "maximised": "yes"}
    changed["layout"]["sizes"] |= {"top": LIMIT * 1.01, "left": -1, "upper": True, "bottom": 2}
    changed["panes"] = {"log": {"filter": "a(b", "sort": "Time"}, "timers": {"settings": {"x": [1], "y": 2}}}
    changed["scripts"] = [{"alias": "a", "path": "/a.py"}, {"alias": "a", "path": "/b.py"}, {"alias": ""}, 7]
    state, text = told(changed)
    assert state.layout == Layout(
        recent=[PaneName.LOG, *(name for name in PaneName if name is not PaneName.LOG)],
        sizes={"top": 1.0, "bottom": 2.0, "left": 1.0, "upper": 1.0},
    )
    assert state.panes == {
        PaneName.LOG: SavedPane(sort="Time"),
        PaneName.TIMERS: SavedPane(settings={"y": 2}),
    }
    assert [script.alias for script in state.scripts] == ["a"]
    for part in (
        "one place must stay in sight",
        "'inbox' is unknown",
        "'log' stands there twice",
        "layout.maximised: must be true or false",
        "layout.sizes.top: must be from 0.125 to 8",
        "layout.sizes.left",
        "layout.sizes.upper",
        "panes.log.filter: bad pattern",
        "panes.timers.settings.x",
        "an alias stands there twice",
        "scripts[2].path",
        "scripts[3]: is no table",
    ):
        assert part in text


def test_lists_are_bounded() -> None:
    changed = document()
    changed["watches"] = [{"script": "a", "expression": str(i)} for i in range(2000)]
    state, text = told(changed)
    assert len(state.watches) == 1000
    assert "2,000 entries" in text


# -- the project -------------------------------------------------------------------------------------------


def test_projects_have_files_of_their_own(tmp_path: Path) -> None:
    names = ["a/garden", "b/garden", "a/gar den", "a/..x", "a/" + "x" * 200, "a/\udcff", "/"]
    paths = {StateFile(tmp_path / name, tmp_path).path for name in names}
    assert len(paths) == len(names)
    assert all(path.parent == tmp_path and len(path.name) < 80 and path.name[0] != "." for path in paths)


def test_a_link_to_a_project_is_the_project(tmp_path: Path) -> None:
    (tmp_path / "garden").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "garden")
    assert StateFile(tmp_path / "link", tmp_path).path == StateFile(tmp_path / "garden", tmp_path).path


def test_the_file_lies_in_the_users_folder_of_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "states"))
    assert StateFile(tmp_path).path.is_relative_to(tmp_path / "states" / "scriptconsole")


# -- the file ----------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    return StateFile(tmp_path / "project", tmp_path / "states")


STATE = SavedState(scripts=(SavedScript("pump", "/srv/pump.lua"),))


def test_a_state_that_was_never_written_is_fresh(file: StateFile) -> None:
    assert file.read() == (SavedState(), ())


def test_written_whole_and_for_nobody_else(file: StateFile) -> None:
    file.write(SavedState())
    file.write(STATE)
    assert file.read() == (STATE, ())
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert os.listdir(file.path.parent) == [file.path.name]


@given(st.binary(max_size=300))
def test_no_content_of_the_file_raises(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = StateFile(Path(PROJECT), tmp_path_factory.mktemp("states"))
    file.path.write_bytes(content)
    state, sentences = file.read()
    assert state == SavedState()
    assert len(sentences) == 1
    assert not file.path.exists()
    assert file.path.with_name(file.path.name + ".corrupt").read_bytes() == content


def test_what_is_set_aside_is_numbered_and_kept(file: StateFile) -> None:
    for number, content in enumerate((b"one", b"two", b"three"), start=1):
        file.path.parent.mkdir(exist_ok=True)
        file.path.write_bytes(content)
        (sentence,) = file.read()[1]
        name = file.path.name + (".corrupt" if number == 1 else f".corrupt-{number}")
        assert name in sentence
        assert file.path.with_name(name).read_bytes() == content
    assert file.read() == (SavedState(), ())


def test_a_file_of_another_project_or_version_is_set_aside(file: StateFile) -> None:
    file.path.parent.mkdir()
    for text in (
        encode(STATE, "/somewhere/else"),
        json.dumps(json.loads(encode(STATE, file.project)) | {"version": 99}).encode(),
        b" " * (SIZE_LIMIT + 1),
    ):
        file.path.write_bytes(text)
        state, sentences = file.read()
        assert state == SavedState()
        assert len(sentences) == 1
        assert "set aside" in sentences[0]
    assert len(os.listdir(file.path.parent)) == 3


def test_what_cannot_be_read_is_told_and_left_alone(file: StateFile) -> None:
    file.path.mkdir(parents=True)
    assert "cannot be read" in file.read()[1][0]
    with pytest.raises(IsADirectoryError):
        file.write(STATE)
    assert os.listdir(file.path.parent) == [file.path.name]


def test_a_pipe_in_its_place_is_not_waited_for(file: StateFile) -> None:
    file.path.parent.mkdir()
    os.mkfifo(file.path)
    assert "not a file" in file.read()[1][0]
    file.write(STATE)
    assert file.read() == (STATE, ())


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_leaves_what_was_there(file: StateFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write(STATE)
    fsync = os.fsync

    def full(number: int) -> None:
        with open("/dev/full", "wb", buffering=0) as disk:
            disk.write(b"x")
        fsync(number)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        file.write(SavedState())
    monkeypatch.undo()
    assert file.read() == (STATE, ())
    assert os.listdir(file.path.parent) == [file.path.name]


def test_several_consoles_never_tear_the_file(file: StateFile, tmp_path: Path) -> None:
    """Readers see a whole state at every moment, whoever wrote it."""
    states = [
        SavedState(watches=tuple(SavedWatch(str(number), "x" * 400) for _ in range(50)))
        for number in range(4)
    ]
    writers = [
        threading.Thread(
            target=write_often, args=(StateFile(tmp_path / "project", tmp_path / "states"), state)
        )
        for state in states
    ]
    file.write(states[0])
    for writer in writers:
        writer.start()
    seen = []
    while any(writer.is_alive() for writer in writers):
        seen.append(file.read())
    for writer in writers:
        writer.join()
    assert seen
    assert all(sentences == () and state in states for state, sentences in seen)
    assert os.listdir(file.path.parent) == [file.path.name]


def write_often(file: StateFile, state: SavedState) -> None:
    for _ in range(40):
        file.write(state)
