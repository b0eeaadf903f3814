"""The `:` line, the context menu and jump mode: other ways to the same actions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from textual.widgets import Input, OptionList, Static

from scriptconsole.actions import PaneName
from scriptconsole.commands import COMMANDS, CommandError, resolve, suggest
from scriptconsole.registry import REGISTRY
from scriptconsole.screens.commandline import CommandLine
from scriptconsole.screens.jump import JumpScreen
from scriptconsole.screens.menu import Menu
from scriptthemes import THEMES

from .recording import RecordedSession
from .support import WIDE, log_texts, make_app, notices, running, table, until


def problem(screen: object) -> str:
    return str(screen.query_one("#problem", Static).render())  # type: ignore[attr-defined]


# -- the line -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("reload", ("reload", "greeter")),
        ("rel", ("reload", "greeter")),
        ("pause", ("pause", "greeter")),
        ("call greet 'Ada', k=2", ("call", "greeter", "greet", ("Ada",), {"k": 2})),
        ("call greet('Ada', k=2)", ("call", "greeter", "greet", ("Ada",), {"k": 2})),
        ("evaluate visitors + 1", ("evaluate", "greeter", "visitors + 1")),
        ("=visitors + 1", ("evaluate", "greeter", "visitors + 1")),
        ("emit door 'open', 3", ("emit", "door", ("open", 3))),
    ],
)
async def test_a_line_asks_the_session(session: RecordedSession, line: str, call: tuple[object, ...]) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("colon")
        assert isinstance(app.screen, CommandLine)
        app.screen.query_one(Input).value = line
        await pilot.press("enter")
        await until(pilot, lambda: call in session.calls)
        assert app.screen is app.main
        assert app.command_history == [line]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("relaod", "did you mean load, reload, repl?"),
        ("xyzzy", "tab lists what there is"),
        ("pa", "did you mean palette, pass_over, pause?"),
        ("reload now", "takes no words"),
        ("cancel", "is for timers, not for the scripts pane"),
        ("call greet(", "bracket is not closed"),
        ("load /no/such/file.py", "there is no such file"),
        ("filter (", "bad pattern"),
        ("sort Nothing", "there are State, Script"),
        ("theme no", "there are dark, light"),
        ("script nobody", "there is no script"),
        ("emit", "say which hook"),
        ("emit door k=1", "no named arguments"),
    ],
)
async def test_a_line_that_means_nothing_says_what_to_type(
    session: RecordedSession, line: str, words: str
) -> None:
    async with running(session) as (app, pilot):
        with pytest.raises(CommandError, match=f"{re.escape(words)}"):
            resolve(app, line)
        await pilot.press("colon")
        app.screen.query_one(Input).value = line
        await pilot.press("enter")
        assert isinstance(app.screen, CommandLine)
        assert problem(app.screen)
        await pilot.press("escape")
        assert app.screen is app.main
        assert {call[0] for call in session.calls} <= {"watch", "functions"}


async def test_lines_that_change_what_is_shown(session: RecordedSession, tmp_path: Path) -> None:
    async with running(session) as (app, pilot):

        async def enter(line: str) -> None:
            await pilot.press("colon")
            app.screen.query_one(Input).value = line
            await pilot.press("enter")
            await pilot.pause()

        await enter("variables")
        assert app.main.pane_name is PaneName.VARIABLES
        await enter("filter bridge")
        assert {row.script for row in table(app, "variables").rows} == {"bridge"}  # type: ignore[attr-defined]
        await enter("filter")
        assert table(app, "variables").filter is None
        await enter("sort name")
        names = [row.name for row in table(app, "variables").rows]  # type: ignore[attr-defined]
        assert names == sorted(names)
        await enter("theme light")
        assert app.theme == "scriptconsole-light"
        await enter("script lights")
        assert app.main.script() == "lights"
        file = tmp_path / "it.py"
        file.touch()
        await enter(f"load {file} as other")
        await until(pilot, lambda: ("load", file, "other") in session.calls)


async def test_tab_completes_names_and_words(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("colon", *"the", "tab")
        entry = app.screen.query_one(Input)
        assert entry.value == "theme "
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count == len(THEMES))
        await pilot.press("down", "down", "tab")
        assert entry.value == "theme light"
        await pilot.press("enter")
        await until(pilot, lambda: app.theme == "scriptconsole-light")
        await pilot.press("colon", *"call gr")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count == 1)
        await pilot.press("tab")
        assert app.screen.query_one(Input).value == "call greet"


async def test_up_brings_the_last_line_back(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("colon", *"timers", "enter", "colon", "up")
        assert app.screen.query_one(Input).value == "timers"


async def test_the_result_of_a_call_is_shown(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("colon", *"call greet()", "enter")
        await until(pilot, lambda: notices(app) == ["'Hello, Grace'"])
        assert log_texts(app)[-1] == "greeter.greet() = 'Hello, Grace'"


def test_every_action_can_be_typed() -> None:
    typed = set(COMMANDS)
    for action in REGISTRY.actions:
        last = action.id.rpartition(".")[2]
        assert action.id in typed or last in typed or action.id in ("command", "menu", "jump")


async def test_a_path_may_have_the_word_as_in_it(session: RecordedSession, tmp_path: Path) -> None:
    file = tmp_path / "known as it.py"
    file.touch()
    async with running(session) as (app, pilot):
        for line, alias in ((f"load {file}", None), (f"load {file} as x", "x")):
            await resolve(app, line)()
            await until(pilot, lambda alias=alias: ("load", file, alias) in session.calls)


async def test_a_column_without_a_title_cannot_be_named(session: RecordedSession) -> None:
    async with running(session) as (app, _):
        with pytest.raises(CommandError) as refused:
            resolve(app, "sort")
        assert "State, Script" in str(refused.value)
        assert ", ," not in str(refused.value)
        assert all(line.strip() != "sort" for line, _ in await suggest(app, "sort "))


async def test_up_brings_back_the_lines_typed_before_one_after_the_other(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        for line in ("sort script", "freeze"):
            await pilot.press("2", "colon")
            entry = app.screen.query_one(Input)
            entry.value = line
            await pilot.press("enter")
            await until(pilot, lambda: app.screen is app.main)
        await pilot.press("colon", "up")
        entry = app.screen.query_one(Input)
        assert entry.value == "freeze"
        await pilot.press("up")
        assert entry.value == "sort script"
        await pilot.press("up")
        assert entry.value == "sort script"


# -- the menu -------------------------------------------------------------------------------------------


async def test_the_menu_offers_what_is_about_the_row(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("3", "full_stop")
        assert isinstance(app.screen, Menu)
        listed = app.screen.query_one(OptionList)
        ids = [option.id for option in listed.options]
        assert ids[0] == "timer.cancel"
        assert "script.reload" in ids
        assert "connection.close" not in ids
        await pilot.press("enter")
        await until(pilot, lambda: ("cancel_timer", "bridge", 1) in session.calls)


async def test_keys_of_the_users_choice_are_those_of_menu_and_suggestions(session: RecordedSession) -> None:
    app = make_app(session)
    app.registry = REGISTRY.with_keys({"timer.cancel": ("f9",), "script.reload": ("f8",)})
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("3", "full_stop", "x", "r")
        assert isinstance(app.screen, Menu)
        prompts = {
            option.id: str(option.prompt).split()[-1] for option in app.screen.query_one(OptionList).options
        }
        assert (prompts["timer.cancel"], prompts["script.reload"]) == ("F9", "F8")
        await pilot.press("f9")
        await until(pilot, lambda: ("cancel_timer", "bridge", 1) in session.calls)
        assert ("reload", "bridge") not in session.calls
        assert dict(await suggest(app, "reload"))["reload"].endswith("(F8)")


async def test_keys_work_inside_the_menu(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("full_stop", "r")
        await until(pilot, lambda: ("reload", "greeter") in session.calls)
        assert app.screen is app.main
        await pilot.press("full_stop", "j", "k", "escape")
        assert app.screen is app.main


async def test_the_right_mouse_button_opens_the_menu_of_its_row(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.click(table(app, "scripts"), offset=(5, 2), button=3)
        assert isinstance(app.screen, Menu)
        assert app.main.script() == "thermostat"
        await pilot.press("r")
        await until(pilot, lambda: ("reload", "thermostat") in session.calls)


# -- jump -----------------------------------------------------------------------------------------------


async def test_jump_goes_to_panes_and_tabs(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        for name in (PaneName.LOG, PaneName.TASKS, PaneName.SCRIPTS):
            await pilot.press("ctrl+o")
            assert isinstance(app.screen, JumpScreen)
            letter = next(key for key, (pane, _) in app.screen.places.items() if pane is name)
            await pilot.press(letter)
            await until(pilot, lambda name=name: app.main.pane_name is name)
        for key in ("escape", "Z"):
            await pilot.press("ctrl+o", key)
            await until(pilot, lambda: app.screen is app.main)
        assert app.main.pane_name is PaneName.SCRIPTS
