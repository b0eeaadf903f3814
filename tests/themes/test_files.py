"""Themes of the user's own: what a file says, what can be wrong in it, and that a change is seen at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.command import CommandList

from scriptconsole.config import watching
from scriptconsole.config.sources import Origin
from scriptconsole.config.themefiles import check_theme, load_themes, read_theme, theme_names
from scriptengines.errors import ConfigError
from scriptthemes import DARK, LIGHT, THEMES
from tests.batch.support import run
from tests.console.recording import RecordedSession
from tests.console.support import log_texts, notices, until

from .screens import app_with


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's themes; empty."""
    monkeypatch.setenv("SCRIPTCONSOLE_CONFIG", str(tmp_path / "config.toml"))
    themes = tmp_path / "themes"
    themes.mkdir()
    return themes


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / f"{name}.toml"
    file.write_text(text)
    return file


def test_a_file_changes_some_colours_of_another_theme(folder: Path) -> None:
    file = write(
        folder, "paper", 'base = "scriptconsole-light"\n[colors]\nprimary = "#123456"\nflash = "gold 40%"\n'
    )
    theme = read_theme(file)
    assert (theme.name, theme.dark, theme.primary, theme.error) == ("paper", False, "#123456", LIGHT.error)
    assert theme.variables == LIGHT.variables | {"flash": "gold 40%"}


def test_the_base_is_dark_or_light_as_the_file_says(folder: Path) -> None:
    assert read_theme(write(folder, "a", "")).background == DARK.background
    assert read_theme(write(folder, "b", "dark = false\n")).background == LIGHT.background


@pytest.mark.parametrize(
    ("written", "line", "message"),
    [
        ("[colors]\nprimray = '#fff'\n", 2, 'there is no colour "primray". Did you mean "primary"?'),
        ("[colors]\nzzz = '#fff'\n", 2, "There are: primary, secondary,"),
        ("\n[colors]\nprimary = '#ff'\n", 3, 'primary must be a colour such as "#7fa8d1"'),
        ("[colors]\nprimary = 7\n", 2, "got 7"),
        ("[colors]\nflash = '#ffffff 140%'\n", 2, "got '#ffffff 140%'"),
        ("colors = 3\n", 1, "[colors] must be a table, got 3"),
        ("[colours]\n", 1, 'there is no setting of a theme "colours". Did you mean "colors"?'),
        ("base = 'scriptconsole-drak'\n", 1, 'Did you mean "scriptconsole-dark"?'),
        ("base = 3\n", 1, "base must be one of scriptconsole-dark,"),
        ("dark = 'no'\n", 1, "dark must be true or false, got 'no'"),
        ("dark = \n", 1, "not valid TOML"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(folder: Path, written: str, line: int, message: str) -> None:
    file = write(folder, "mine", written)
    with pytest.raises(ConfigError) as caught:
        read_theme(file)
    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert message in str(caught.value)


def test_names_of_ours_are_taken(folder: Path) -> None:
    file = write(folder, DARK.name, "")
    with pytest.raises(ConfigError, match='the name "scriptconsole-dark" is taken; rename the file'):
        read_theme(file)


def test_one_broken_file_does_not_keep_the_others_out(folder: Path) -> None:
    write(folder, "good", "")
    write(folder, "bad", "[colors]\nx = 1\n")
    (folder / "notes.txt").write_text("no theme")
    themes, errors = load_themes(folder)
    assert [theme.name for theme in themes] == ["good"]
    assert [Path(error.file).name for error in errors] == ["bad.toml"]
    assert theme_names() == [*(theme.name for theme in THEMES), "bad", "good"]


def test_without_a_folder_there_are_our_own(folder: Path) -> None:
    folder.rmdir()
    assert theme_names() == [theme.name for theme in THEMES]


def test_a_theme_that_is_not_there_is_refused(folder: Path) -> None:
    origin = Origin("command line", name="--theme")
    for name in ("auto", "scriptconsole-light"):
        check_theme(name, origin)
    write(folder, "mine", "")
    check_theme("mine", origin)
    with pytest.raises(
        ConfigError, match=r"no theme .mien.; there are auto, .* Did you mean .mine"
    ) as caught:
        check_theme("mien", origin)
    assert str(caught.value).startswith("--theme: ")
    write(folder, "mine", "[colors]\nx = 1\n")
    with pytest.raises(ConfigError, match=r"mine\.toml:2: there is no colour"):
        check_theme("mine", origin)


def test_the_program_refuses_a_theme_that_is_not_there(folder: Path, tmp_path: Path) -> None:
    told = run("config", "show", env={"SCRIPTCONSOLE_THEME": "scriptconsole-drak"}, cwd=tmp_path)
    assert told.code == 2
    assert 'SCRIPTCONSOLE_THEME: no theme "scriptconsole-drak"' in told.err


async def test_a_change_of_the_file_is_seen_at_once(folder: Path) -> None:
    file = write(folder, "mine", "[colors]\nbackground = '#010203'\n")
    session = RecordedSession()
    app = app_with("mine", session)
    async with app.run_test() as pilot:
        assert app.main.styles.background.hex == "#010203"
        write(folder, "mine", "[colors]\nbackground = '#040506'\n")
        await until(pilot, lambda: app.main.styles.background.hex == "#040506")
        replaced = folder / "mine.tmp"
        replaced.write_text("[colors]\nbackground = '#070809'\n")
        replaced.rename(file)
        await until(pilot, lambda: app.main.styles.background.hex == "#070809")


async def test_a_broken_change_is_told_and_the_theme_stays(folder: Path) -> None:
    write(folder, "mine", "[colors]\nbackground = '#010203'\n")
    app = app_with("mine", RecordedSession())
    async with app.run_test() as pilot:
        file = write(folder, "mine", "[colors]\nbackgruond = '#040506'\n")
        await until(pilot, lambda: notices(app))
        message = f'{file}:2: there is no colour "backgruond". Did you mean "background"?'
        assert notices(app) == [message]
        assert log_texts(app)[-1] == message
        assert app.main.styles.background.hex == "#010203"
        write(folder, "mine", "[colors]\nbackground = '#040506'\n")
        await until(pilot, lambda: app.main.styles.background.hex == "#040506")
        assert len(notices(app)) == 1


async def test_a_new_file_can_be_chosen(folder: Path) -> None:
    app = app_with("auto", RecordedSession())
    async with app.run_test() as pilot:
        write(folder, "late", "")
        await until(pilot, lambda: "late" in app.appearance.names)
        await app.run_action("app.choose_theme")
        await pilot.pause()
        await pilot.press(*"late")
        await until(pilot, lambda: app.screen.query_one(CommandList).option_count == 1)
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "late")


async def test_themes_are_shown_when_their_folder_cannot_be_watched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(24, "inotify instance limit reached")

    write(folder, "mine", "[colors]\nbackground = '#010203'\n")
    monkeypatch.setattr(watching, "watch_folder", refuse)
    app = app_with("mine", RecordedSession())
    async with app.run_test() as pilot:
        assert app.main.styles.background.hex == "#010203"
        await until(pilot, lambda: any("inotify instance limit reached" in text for text in log_texts(app)))
