"""The REPL pane: typing, completing, recalling, stopping, unfolding."""

from __future__ import annotations

from pathlib import Path

from textual.pilot import Pilot

from scriptconsole.actions import PaneName
from scriptconsole.app import ScriptConsoleApp
from scriptconsole.panes.replpane import ReplPane
from scriptengines.errors import CallError
from scriptengines.session import Session

from .recording import RecordedSession
from .support import running, until

NAMES = {"+": "plus", " ": "space", "*": "asterisk", "/": "slash", "_": "underscore", ".": "full_stop"}


def repl(app: ScriptConsoleApp) -> ReplPane:
    pane = app.main.panes[PaneName.REPL]
    assert isinstance(pane, ReplPane)
    return pane


async def run(pilot: Pilot[None], pane: ReplPane, *keys: str) -> None:
    """Press keys and enter, and wait for the answer."""
    before = len(pane.transcript.entries)
    await pilot.press(*(NAMES.get(key, key) for key in keys), "enter")
    await until(
        pilot,
        lambda: len(pane.transcript.entries) > before and pane.transcript.entries[-1].answer is not None,
    )


async def test_what_is_typed_runs_in_the_selected_script(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("down", "9")
        pane = repl(app)
        chosen = pane.script()
        await run(pilot, pane, *"1+1")
        assert ("interact", chosen, "1+1") in session.calls
        assert pane.transcript.texts() == [f"{chosen}› 1+1", "'Hello, Grace'"]
        assert pane.input.text == ""
        assert chosen in pane.title_text


async def test_it_follows_the_selection_and_the_use_command(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("9")
        pane = repl(app)
        first, second = [script.alias for script in app.main.latest.scripts][:2]
        assert pane.script() == first
        await run(pilot, pane, *f":use {second}")
        assert pane.script() == second
        await pilot.press("escape", "1", "down", "down", "9")
        await until(pilot, lambda: pane.script() not in (first, second))


async def test_inputs_typed_ahead_run_one_after_the_other_in_the_script_they_are_for(
    session: RecordedSession,
) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("9")
        pane = repl(app)
        first, second, third = [script.alias for script in app.main.latest.scripts][:3]
        session.gate.clear()
        for text in ("a", f":use {second}", "b", "c"):
            pane.input.text = text
            await pilot.press("enter")
        # Another script is chosen while all of them wait for the first.
        await pilot.press("escape", "1", "down", "down", "9")
        await until(pilot, lambda: pane.script() == third)
        pane.input.text = "d"
        await pilot.press("enter")
        await until(pilot, lambda: len([call for call in session.calls if call[0] == "interact"]) == 2)
        asked = [call[1:] for call in session.calls if call[0] == "interact"]
        assert sorted(asked) == sorted([(first, "a"), (third, "d")]), "each script has its own turns"
        doing = [line for line in pane.transcript.texts() if line.startswith("…")]
        assert ["waits" in line for line in doing] == [False, True, True, True, False]
        session.gate.set()
        await until(pilot, lambda: all(entry.answer for entry in pane.transcript.entries))
        asked = [call[1:] for call in session.calls if call[0] == "interact"]
        assert asked[2:] == [(second, "b"), (second, "c")]
        assert [entry.alias for entry in pane.transcript.entries] == [first, first, second, second, third]


async def test_incomplete_input_goes_on_and_keys_of_commands_are_text(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("9", *"if", "space", *"q1:", "enter")
        pane = repl(app)
        assert pane.input.text == "if q1:\n    "
        assert app.main.pane is pane
        await pilot.press("x", "alt+enter", "y")
        assert pane.input.text == "if q1:\n    x\ny"
        assert not pane.transcript.entries


async def test_completion_menu(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("9", "v", "tab")
        pane = repl(app)
        await until(pilot, lambda: pane.menu.display)
        assert [each.text for each in pane.menu.entries] == ["visitors", "vars", "vote"]
        await pilot.press("o")
        await until(pilot, lambda: len(pane.menu.entries) == 1)
        assert "(name, weight=1)" in str(pane.menu.render())
        assert "Count a vote." in str(pane.menu.render())
        await pilot.press("enter")
        assert pane.input.text == "vote"
        assert not pane.menu.display
        await pilot.press("ctrl+c", "v", "tab")
        await until(pilot, lambda: pane.menu.display)
        await pilot.press("down", "escape")
        assert pane.input.text == "v"
        assert not pane.menu.display


async def test_a_single_completion_is_inserted_at_once(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("9", *"1", "plus", *"vi", "tab")
        await until(pilot, lambda: repl(app).input.text == "1+visitors")


async def test_tab_indents_an_empty_line(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("9", "tab", "x")
        assert repl(app).input.text == "    x"


async def test_history_up_down_and_search(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        pane = repl(app)
        await pilot.press("9")
        for text in ("alpha", "beta", "alphabet"):
            await run(pilot, pane, *text)
        await pilot.press(*"new", "up")
        assert pane.input.text == "alphabet"
        await pilot.press("up", "up", "up")
        assert pane.input.text == "alpha"
        await pilot.press("down", "down", "down")
        assert pane.input.text == "new"
        await pilot.press("ctrl+c", *"alp", "ctrl+r")
        assert pane.input.text == "alphabet"
        await pilot.press("ctrl+r")
        assert pane.input.text == "alpha"
        await pilot.press("ctrl+r")
        assert pane.input.text == "alpha"


async def test_history_lasts(tmp_path: Path) -> None:
    for number in range(2):
        session = RecordedSession()
        async with running(session) as (app, pilot):
            app.history_file = tmp_path / "history"
            await pilot.press("9")
            pane = repl(app)
            if number == 0:
                await run(pilot, pane, *"kept")
                await run(pilot, pane, "space", *"secret")
            else:
                await pilot.press("up", "up")
                assert pane.input.text == "kept"


async def test_what_runs_can_be_stopped_and_the_screen_goes_on(session: RecordedSession) -> None:
    session.gate.clear()
    async with running(session) as (app, pilot):
        await pilot.press("9", *"slow", "enter")
        pane = repl(app)
        await until(pilot, lambda: ("interact", pane.script(), "slow") in session.calls)
        assert pane.transcript.texts()[-1].startswith("… runs")
        await pilot.press(*"next")
        assert pane.input.text == "next"
        await pilot.press("ctrl+c")
        await until(pilot, lambda: ("interrupt", pane.script()) in session.calls)
        assert pane.input.text == "next"
        session.gate.set()
        await until(pilot, lambda: pane.transcript.entries[-1].answer is not None)


async def test_results_unfold(session: RecordedSession) -> None:
    session.answer = {f"key {number}": "value " * 5 for number in range(30)}
    async with running(session) as (app, pilot):
        pane = repl(app)
        await pilot.press("9")
        await run(pilot, pane, *"conf")
        folded = pane.transcript.texts()
        assert "more lines" in folded[-1]
        await pilot.press("escape", "enter")
        assert len(pane.transcript.texts()) == 33
        await pilot.press("enter")
        assert pane.transcript.texts() == folded
        await pilot.press("x")
        assert pane.transcript.texts() == []


async def test_an_error_is_shown_and_cannot_steer_the_screen(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        pane = repl(app)
        await pilot.press("9")
        session.problem = CallError("no \x1b[2J[bold]such", remote_type="KeyError")
        await run(pilot, pane, *"conf")
        assert pane.transcript.texts()[-1] == "KeyError: no [bold]such"
        session.problem = None


async def test_code_is_coloured_by_language(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        pane = repl(app)
        await pilot.press("9")
        pane.input.use_language("python")
        await pilot.press(*"if", "space", "apostrophe", "é", "apostrophe")
        styles = dict(enumerate(pane.input._highlights[0]))
        assert styles[0] == (0, 2, "keyword")
        assert {style for _, _, style in styles.values()} == {"keyword", "string"}
        assert max(end or 0 for _, end, _ in styles.values()) == len("if 'é'".encode())


async def test_it_talks_to_live_scripts(tmp_path: Path) -> None:
    (tmp_path / "it.py").write_text("import host\ncount = 20\n")
    with Session(keep_failed=True) as session:
        app = ScriptConsoleApp(session, [tmp_path / "it.py"])
        app.history_file = tmp_path / "history"
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.main.latest.scripts)
            await until(pilot, lambda: app.main.panes[PaneName.SCRIPTS].script() == "it")
            await pilot.press("9")
            pane = repl(app)
            await until(pilot, lambda: pane.script() == "it")
            await run(pilot, pane, *"count+1")
            await run(pilot, pane, *"_*2")
            await run(pilot, pane, *"1/0")
            texts = pane.transcript.texts()
            assert texts[:4] == ["it› count+1", "21", "it› _*2", "42"]
            assert texts[-1] == "ZeroDivisionError: division by zero"
            await pilot.press(*(NAMES.get(key, key) for key in "host.set_i"), "tab")
            await until(pilot, lambda: pane.input.text == "host.set_interval")
            await pilot.press("ctrl+c", *"while", "space", *"True:pass", "enter")
            await until(pilot, lambda: pane.transcript.entries[-1].answer is None)
            await until(pilot, lambda: session.script("it").lock.holder() is not None)
            await pilot.press("ctrl+c")
            await until(pilot, lambda: pane.transcript.entries[-1].answer is not None, 20)
            assert "interrupted" in pane.transcript.texts()[-1]
