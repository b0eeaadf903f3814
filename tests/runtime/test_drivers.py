"""Action drivers: a script with initialize, on_measurement, on_alert, get_status and shutdown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import CallError, CallTimeout, ConfigError, ScriptConsoleError, UnknownFunction
from scriptengines.session import Session
from tests.conftest import Log

type Write = Callable[[str, str], Path]

DRIVERS = {
    "py": """# scriptconsole: profile = "driver"
import host
calls = []
total = 0
def initialize(config):
    calls.append(["initialize", config.get("unit", "")])
    host.state["starts"] = host.state.get("starts", 0) + 1
def on_measurement(values):
    global total
    total += values["x"]
    if values["x"] < 0: raise ValueError("negative")
    return {"total": total}
def on_alert(alert): calls.append(["alert", alert])
def get_status(): return {"total": total, "starts": host.state["starts"]}
def shutdown(): host.log("shut down at %d" % total)
""",
    "lua": """-- scriptconsole: profile = "driver"
calls = {}
total = 0
function initialize(config)
    calls[#calls + 1] = {"initialize", config.unit or ""}
    host.state.starts = (host.state.starts or 0) + 1
end
function on_measurement(values)
    total = total + values.x
    if values.x < 0 then error("negative") end
    return {total = total}
end
function on_alert(alert) calls[#calls + 1] = {"alert", alert} end
function get_status() return {total = total, starts = host.state.starts} end
function shutdown() host.log("shut down at " .. total) end
""",
}


@pytest.fixture(params=DRIVERS)
def path(request: pytest.FixtureRequest, write: Write) -> Path:
    return write(f"it.{request.param}", DRIVERS[request.param])


def test_it_lives_from_initialize_to_shutdown(session: Session, path: Path, log: Log) -> None:
    script = session.load(path, config={"unit": "K"})
    driver = session.driver("it")
    assert driver.measurement({"x": 2}) == {"total": 2}
    assert driver.measurement({"x": 3}) == {"total": 5}  # its variables live on
    driver.alert("hot")
    assert script.get("calls") == [["initialize", "K"], ["alert", "hot"]]
    session.unload("it")
    log.wait_for("shut down at 5")
    assert driver.state == "shut down"


def test_closing_the_session_shuts_it_down(write: Write) -> None:
    session = Session()
    session.load(write("it.py", DRIVERS["py"]))
    session.close()
    assert any("shut down at 0" in record.text for record in session.records())


def test_hooks_reach_it(session: Session, path: Path) -> None:
    script = session.load(path)
    assert session.emit("measurement", {"x": 7}) == 1
    assert session.emit("alert", "hot") == 1
    assert script.get("total") == 7


def test_its_status_has_figures_and_what_it_says_itself(session: Session, path: Path) -> None:
    session.load(path)
    driver = session.driver("it")
    driver.measurement({"x": 1})
    with pytest.raises(CallError, match="negative"):
        driver.measurement({"x": -1})
    status = driver.status()
    assert (status.state, status.own) == ("ready", {"total": 0, "starts": 1})
    figures = status.figures["on_measurement"]
    assert (figures.calls, figures.errors, figures.timeouts) == (2, 1, 0)
    assert 0 < figures.mean <= figures.longest
    assert "negative" in status.last_error
    assert status.functions == ("initialize", "on_measurement", "on_alert", "get_status", "shutdown")


def test_its_history_is_bounded_and_in_order(session: Session, path: Path) -> None:
    session.load(path, driver_history=3)
    driver = session.driver("it")
    for x in range(5):
        driver.measurement({"x": x})
    entries = driver.history()
    assert [entry.function for entry in entries] == ["on_measurement"] * 3
    assert "10" in entries[-1].result
    assert [entry.time for entry in entries] == sorted(entry.time for entry in entries)
    assert driver.history(1) == entries[-1:]
    assert driver.history(0) == []
    assert driver.status().figures["on_measurement"].calls == 5


@pytest.mark.parametrize(
    ("suffix", "text"),
    [
        ("py", '# scriptconsole: profile = "driver"\ndef on_measurement(v):\n    while True: pass\n'),
        ("lua", '-- scriptconsole: profile = "driver"\nfunction on_measurement(v) while true do end end\n'),
    ],
)
def test_a_call_that_takes_too_long_is_stopped(
    session: Session, write: Write, suffix: str, text: str
) -> None:
    session.load(write(f"it.{suffix}", text + "\n"), driver_timeout=100)
    driver = session.driver("it")
    with pytest.raises(CallTimeout):
        driver.measurement({})
    status = driver.status()
    assert status.figures["on_measurement"].timeouts == 1
    assert status.own is None


def test_what_it_has_not_is_told(session: Session, write: Write) -> None:
    session.load(write("it.py", '# scriptconsole: profile = "driver"\ndef on_alert(a): return a\n'))
    driver = session.driver("it")
    assert driver.alert(1) == 1
    with pytest.raises(UnknownFunction, match=r"it is a driver without on_measurement\(\)"):
        driver.measurement({})


def test_one_that_cannot_be_initialized_takes_nothing_until_it_can(
    session: Session, write: Write, log: Log
) -> None:
    text = (
        '# scriptconsole: profile = "driver"\nready = False\n'
        'def initialize(config):\n    if not ready: raise OSError("no device")\n'
        "def on_measurement(v): return v\n"
    )
    script = session.load(write("it.py", text))
    log.wait_for("no device")
    driver = session.driver("it")
    with pytest.raises(ScriptConsoleError, match="the driver it is failed"):
        driver.measurement(1)
    script.set("ready", True)
    driver.initialize()
    assert driver.measurement(1) == 1


def test_a_reload_shuts_the_old_one_down_and_initializes_the_new(
    session: Session, path: Path, log: Log
) -> None:
    session.load(path)
    driver = session.driver("it")
    driver.measurement({"x": 4})
    session.reload("it")
    log.wait_for("shut down at 4")
    assert session.driver("it") is driver
    assert driver.status().own == {"total": 0, "starts": 2}


def test_a_refused_reload_leaves_it_ready(session: Session, path: Path) -> None:
    session.load(path)
    driver = session.driver("it")
    path.write_text(path.read_text() + "\n)(")
    with pytest.raises(ScriptConsoleError):
        session.reload("it")
    assert driver.state == "ready"
    assert driver.measurement({"x": 1}) == {"total": 1}


def test_another_script_is_no_driver(session: Session, write: Write) -> None:
    session.load(write("it.py", "x = 1\n"))
    with pytest.raises(ConfigError, match='profile = "driver"'):
        session.driver("it")
