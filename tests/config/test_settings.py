"""Settings: from which of several places, and what is wrong in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scriptconsole.config.settings import DEFAULTS, SETTINGS, Settings
from scriptconsole.config.sources import Configuration, flag_value, load, project_folder
from scriptengines.errors import ConfigError

type Read = Callable[..., Configuration]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """The user's file; not written yet."""
    path = tmp_path / "own" / "config.toml"
    path.parent.mkdir()
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project's file; not written yet."""
    path = tmp_path / "project" / "scriptconsole.toml"
    path.parent.mkdir()
    return path


@pytest.fixture
def read(own: Path, project: Path) -> Read:
    def read(given: dict[str, tuple[str, Any]] | None = None, **environ: str) -> Configuration:
        return load(project.parent, environ={"SCRIPTCONSOLE_CONFIG": str(own), **environ}, given=given)

    return read


def test_without_anything_all_is_as_it_comes(read: Read) -> None:
    found = read()
    assert found.settings == DEFAULTS
    assert {origin.describe() for origin in found.origins.values()} == {"default"}
    assert not found.keys


def test_each_setting_has_a_default_that_it_allows() -> None:
    assert tuple(SETTINGS) == Settings._fields
    for name, setting in SETTINGS.items():
        assert setting.check(setting.default) == getattr(DEFAULTS, name)


def test_flag_over_environment_over_project_over_user_over_default(
    read: Read, own: Path, project: Path
) -> None:
    layers: list[tuple[int, str]] = []

    def note(**more: Any) -> None:
        found = read(**more)
        layers.append((found.settings.frame_rate, found.origins["frame_rate"].layer))

    note()
    own.write_text("[console]\nframe_rate = 1\n")
    note()
    project.write_text("[console]\nframe_rate = 2\n")
    note()
    note(SCRIPTCONSOLE_FRAME_RATE="3")
    note(SCRIPTCONSOLE_FRAME_RATE="3", given={"frame_rate": ("--set", 4)})
    assert layers == [(12, "default"), (1, "user"), (2, "project"), (3, "environment"), (4, "command line")]


def test_origins_name_file_and_line_variable_or_option(read: Read, own: Path, project: Path) -> None:
    own.write_text("\n[console]\nnotify = 'bell'\n")
    project.write_text("[console]\n\n# why\nwatch = false\n")
    found = read(SCRIPTCONSOLE_SLOW_CALL="5", given={"theme": ("--theme", "x")})
    assert {
        name: origin.describe() for name, origin in found.origins.items() if origin.layer != "default"
    } == {
        "notify": f"user: {own}:3",
        "watch": f"project: {project}:4",
        "slow_call": "environment: SCRIPTCONSOLE_SLOW_CALL",
        "theme": "command line: --theme",
    }


def test_keys_of_both_files_add_up_and_the_project_counts_more(read: Read, own: Path, project: Path) -> None:
    own.write_text('[keys]\nsort = "S"\n"script.reload" = ["f5", "ctrl+r"]\n')
    project.write_text("[keys]\nsort = []\nscript.call = 'C'\n")
    assert {name: bound.keys for name, bound in read().keys.items()} == {
        "sort": (),
        "script.reload": ("f5", "ctrl+r"),
        "script.call": ("C",),
    }


def test_a_setting_by_environment_variable(read: Read) -> None:
    found = read(SCRIPTCONSOLE_WATCH="No", SCRIPTCONSOLE_NOTIFY="both", SCRIPTCONSOLE_EDITOR="", OTHER="1")
    assert (found.settings.watch, found.settings.notify, found.origins["editor"].layer) == (
        False,
        "both",
        "default",
    )


@pytest.mark.parametrize(
    ("written", "line", "message"),
    [
        ("[console]\nframe_rat = 3\n", 2, 'there is no setting "frame_rat". Did you mean "frame_rate"?'),
        ("[console]\nzzz = 3\n", 2, 'there is no setting "zzz". There are: theme, frame_rate,'),
        ("[console]\n\nframe_rate = '3'\n", 3, "frame_rate must be a whole number from 1 to 60, got '3'"),
        ("[console]\nframe_rate = true\n", 2, "frame_rate must be a whole number from 1 to 60, got True"),
        ("[console]\nframe_rate = 61\n", 2, "frame_rate must be a whole number from 1 to 60, got 61"),
        ("[console]\nslow_call = 0\n", 2, "slow_call must be a whole number, 1 or more, got 0"),
        ("[console]\nwatch = 1\n", 2, "watch must be true or false, got 1"),
        ("[console]\ntheme = 1\n", 2, "theme must be a text, got 1"),
        ("[console]\nnotify = 'bel'\n", 2, "got 'bel'. Did you mean \"bell\"?"),
        (
            "[console]\nnotify = ['bell']\n",
            2,
            "'desktop' or 'both', got ['bell']",
        ),
        ("console = 3\n", 1, "[console] must be a table, got 3"),
        ("[consol]\n", 1, 'there is no table "consol" in this file. Did you mean "console"?'),
        ("[keys]\nsort = 3\n", 2, 'keys of "sort" must be a key such as "ctrl+r" or a list of keys, got 3'),
        ("[keys]\n\nscript.call = [1]\n", 3, 'keys of "script.call" must be a key'),
        ("[console]\nwatch = \n", 2, "not valid TOML: Invalid value"),
    ],
)
@pytest.mark.parametrize("which", ["own", "project"])
def test_what_is_wrong_in_a_file_is_told_with_its_line(
    read: Read, request: pytest.FixtureRequest, which: str, written: str, line: int, message: str
) -> None:
    file: Path = request.getfixturevalue(which)
    file.write_text(written)
    with pytest.raises(ConfigError) as caught:
        read()
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert message in str(caught.value)
    assert (caught.value.file, caught.value.line) == (str(file), line)


def test_a_project_may_not_choose_the_editor(read: Read, own: Path, project: Path) -> None:
    own.write_text("[console]\neditor = 'hx'\n")
    assert read().settings.editor == "hx"
    project.write_text("[console]\neditor = 'evil'\n")
    with pytest.raises(ConfigError, match=r"toml:2: editor is not for a project to say"):
        read()


def test_options_of_scripts_stand_with_the_scripts(read: Read, own: Path, project: Path) -> None:
    project.write_text("[engines.lua]\nlua = '5.1'\n[scripts.a]\nlua = '5.2'\n")
    assert read().settings == DEFAULTS
    own.write_text("[engines.lua]\nlua = '5.1'\n")
    with pytest.raises(ConfigError, match=r"toml:1: \[engines\] belongs into the scriptconsole.toml"):
        read()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("SCRIPTCONSOLE_WATCH", "maybe", "SCRIPTCONSOLE_WATCH: must be true or false, got 'maybe'"),
        ("SCRIPTCONSOLE_FRAME_RATE", "fast", "must be a whole number from 1 to 60, got 'fast'"),
        ("SCRIPTCONSOLE_NOTIFY", "bel", 'Did you mean "bell"?'),
        (
            "SCRIPTCONSOLE_THEMES",
            "x",
            "no environment variable SCRIPTCONSOLE_THEMES. Did you mean SCRIPTCONSOLE_THEME?",
        ),
    ],
)
def test_what_is_wrong_in_the_environment_is_told_with_its_variable(
    read: Read, name: str, text: str, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read(**{name: text})
    assert message in str(caught.value)
    assert name in str(caught.value)


def test_a_variable_that_is_like_none_of_ours_is_somebody_elses(read: Read) -> None:
    assert read(SCRIPTCONSOLE_DEPLOYMENT="x", SCRIPTCONSOLE_CACHE="/c").settings == DEFAULTS


def test_settings_of_the_command_line() -> None:
    assert flag_value("frame_rate=20") == ("frame_rate", 20)
    assert flag_value("editor=code --wait") == ("editor", "code --wait")
    for text, message in {
        "frame_rate": "'frame_rate' is no setting; write name=value",
        "frame_rat=1": 'Did you mean "frame_rate"?',
        "frame_rate=x": "frame_rate must be a whole number from 1 to 60, got 'x'",
    }.items():
        with pytest.raises(ValueError, match=re.escape(message)):
            flag_value(text)


def test_the_project_is_that_of_the_first_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    assert project_folder([]) == tmp_path
    assert project_folder(["in/a.lua", "/elsewhere/b.lua"]) == tmp_path / "in"
    assert project_folder(["in"]) == tmp_path / "in"


def test_a_file_that_cannot_be_read_is_told(read: Read, own: Path) -> None:
    own.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8"):
        read()
