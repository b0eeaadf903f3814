"""Profiles: functions that subscribe to hooks by their names; and subscriptions for one time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.profiles import hook_of
from scriptengines.session import Session
from tests.conftest import Log

type Write = Callable[[str, str], Path]


@pytest.mark.parametrize(
    ("name", "hook"),
    [
        ("on_timer", "timer"),
        ("OnTimer", "timer"),
        ("onTimer", "timer"),
        ("on_user_login", "user_login"),
        ("OnParsedMsgChat", "parsed_msg_chat"),
        ("OnHTTPRequest", "http_request"),
        ("OnUDPSR", "udpsr"),
        ("once", ""),
        ("only", ""),
        ("on", ""),
        ("on_", ""),
        ("ON_TIMER", ""),
        ("cannon_fire", ""),
    ],
)
def test_a_name_tells_its_hook(name: str, hook: str) -> None:
    assert hook_of(name) == hook


NAMED = {
    "py": """# scriptconsole: profile = "hooks"
seen = []
def on_tick(count): seen.append(count)
def OnUserLogin(nick): seen.append(nick)
def other(): pass
""",
    "lua": """-- scriptconsole: profile = "hooks"
seen = {}
function on_tick(count) seen[#seen + 1] = count end
function OnUserLogin(nick) seen[#seen + 1] = nick end
""",
}


@pytest.mark.parametrize("suffix", NAMED)
@pytest.mark.parametrize("options", [{}, {"isolation": "process"}], ids=["inside", "process"])
def test_functions_subscribe_by_their_names(
    session: Session, write: Write, suffix: str, options: dict[str, str]
) -> None:
    script = session.load(write(f"it.{suffix}", NAMED[suffix]), **options)
    assert session.emit("tick", 1) == 1
    assert session.emit("user_login", "ada") == 1
    assert session.emit("other") == 0
    assert script.get("seen") == [1, "ada"]


@pytest.mark.parametrize("suffix", NAMED)
def test_without_the_profile_they_do_not(session: Session, write: Write, suffix: str) -> None:
    session.load(write(f"it.{suffix}", NAMED[suffix].partition("\n")[2]))
    assert session.emit("tick", 1) == 0


def test_a_reload_subscribes_what_is_there_now(session: Session, write: Write) -> None:
    path = write("it.py", NAMED["py"])
    session.load(path)
    path.write_text('# scriptconsole: profile = "hooks"\ndef on_tock(): pass\n')
    session.reload("it")
    assert (session.emit("tick", 1), session.emit("tock")) == (0, 1)
    session.unload("it")
    assert session.emit("tock") == 0


HUB = {
    "py": """# scriptconsole: profile = "hub"
def OnChat(nick, text):
    if text == "bad": return 0
    if text == "worse": return False
    if text == "hello": return "HELLO"
    if text == "move": return ("eve", "moved")
    return 1
""",
    "lua": """-- scriptconsole: profile = "hub"
function OnChat(nick, text)
    if text == "bad" then return 0 end
    if text == "worse" then return false end
    if text == "hello" then return "HELLO" end
    if text == "move" then return {"eve", "moved"} end
    return 1
end
""",
}


@pytest.mark.parametrize("suffix", HUB)
def test_the_hub_profile_reads_results_as_rulings(session: Session, write: Write, suffix: str) -> None:
    session.load(write(f"it.{suffix}", HUB[suffix]))

    def outcome(text: str) -> tuple[object, ...]:
        found = session.consult("chat", "ada", text)
        return found.vetoed_by or found.args

    assert outcome("fine") == ("ada", "fine")
    assert outcome("bad") == "it"
    assert outcome("worse") == "it"
    assert outcome("hello") == ("ada", "HELLO")
    assert outcome("move") == ("eve", "moved")


ONCE = {
    "py": "import host\ncount = 0\ndef f(n):\n    global count\n    count += n\n"
    "number = host.once('tick', f)\ndef drop(): return host.off(number)\n",
    "lua": "count = 0\nnumber = host.once('tick', function(n) count = count + n end)\n"
    "function drop() return host.off(number) end\n",
}


@pytest.mark.parametrize("suffix", ONCE)
def test_once_is_called_a_single_time(session: Session, write: Write, suffix: str) -> None:
    script = session.load(write(f"it.{suffix}", ONCE[suffix]))
    assert [session.emit("tick", 5), session.emit("tick", 5)] == [1, 0]
    assert script.get("count") == 5
    assert script.call("drop") is False


@pytest.mark.parametrize("suffix", ONCE)
def test_once_can_be_ended_before(session: Session, write: Write, suffix: str) -> None:
    script = session.load(write(f"it.{suffix}", ONCE[suffix]))
    assert script.call("drop") is True
    assert session.emit("tick", 5) == 0


def test_once_holds_when_many_threads_emit(session: Session, write: Write) -> None:
    import threading

    script = session.load(write("it.py", ONCE["py"]))
    start = threading.Barrier(8)

    def emit() -> None:
        start.wait()
        session.emit("tick", 1)

    threads = [threading.Thread(target=emit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert script.get("count") == 1


CONFIG = {
    "py": "import host\nport = host.config('port', 1)\ndef all(): return host.config()\n",
    "lua": "port = host.config('port', 1)\nfunction all() return host.config() end\n",
}


@pytest.mark.parametrize("suffix", CONFIG)
@pytest.mark.parametrize("options", [{}, {"isolation": "process"}], ids=["inside", "process"])
def test_a_script_reads_its_configuration(
    session: Session, write: Write, suffix: str, options: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "scriptconsole.toml").write_text("[scripts.it.config]\nport = 8080\nhosts = ['a', 'b']\n")
    script = session.load(write(f"it.{suffix}", CONFIG[suffix]), **options)
    assert script.get("port") == 8080
    assert script.call("all") == {"port": 8080, "hosts": ["a", "b"]}
    (tmp_path / "scriptconsole.toml").write_text("[scripts.it.config]\nport = 9090\n")
    session.reload("it")
    assert script.get("port") == 9090


def test_a_failing_named_function_is_reported_under_its_script(
    session: Session, write: Write, log: Log
) -> None:
    session.load(write("it.py", '# scriptconsole: profile = "hooks"\ndef on_tick(): 1 / 0\n'))
    assert session.emit("tick") == 0
    assert "ZeroDivisionError" in log.wait_for("ZeroDivisionError")[0].text
