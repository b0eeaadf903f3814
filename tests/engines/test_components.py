"""Native components in a session: order, groups, life cycle, events, reload with the state handed over."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scriptengines import Session
from scriptengines.component import EVENTS, TRANSITIONS, Event, State
from scriptengines.errors import (
    CallError,
    ComponentError,
    ConfigError,
    LoadError,
    ScriptClosed,
    UnknownFunction,
    UnknownScript,
)
from scriptnative import NativeLibrary, RunLock
from tests.conftest import Log

from .native_parts import HAS_COMPILER, LIFE, component_c, says, write_component

pytestmark = pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler")
needs_maps = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc/self/maps")

STEPS = component_c({"who": "*out = sc_str(NAME);"}, **LIFE)


def life(log: Log, *, of: str = "") -> list[str]:
    """What the callbacks of components have logged, in order."""
    names = ("load", "unload", "start", "pause", "resume", "stop", "save", "restore")
    lines = [record.text for record in log.records() if record.text.partition(" ")[2] in names]
    return [line for line in lines if line.startswith(of)]


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A folder of components: app requires ui and db, each of which requires log."""
    folder = tmp_path / "parts"
    write_component(folder, "app", STEPS, requires='{ ui = ">=1", db = "*" }', groups='["front"]')
    write_component(folder, "db", STEPS, requires='{ log = "*" }', groups='["back"]')
    write_component(folder, "log", STEPS, groups='["back"]')
    write_component(folder, "ui", STEPS, requires='{ log = ">=1,<2" }', groups='["front"]')
    return folder


# ---- loading --------------------------------------------------------------------------------------------


def test_a_folder_is_loaded_in_the_order_of_what_is_required(session: Session, three: Path, log: Log) -> None:
    batch = session.components.load(three)
    assert [component.name for component in batch.loaded] == ["log", "ui", "db", "app"]
    assert batch.failed == {}
    assert life(log) == [
        f"{name} {step}" for name in ("log", "ui", "db", "app") for step in ("load", "start")
    ]
    assert [component.state for component in session.components] == [State.STARTED] * 4
    assert session.script("app").call("who") == "app"


def test_groups_bring_what_they_require(session: Session, three: Path) -> None:
    batch = session.components.load(three, groups=["back"], start=False)
    assert [component.name for component in batch.loaded] == ["log", "db"]
    assert [component.name for component in session.components.group("back")] == ["log", "db"]
    assert {component.state for component in batch.loaded} == {State.LOADED}
    with pytest.raises(ConfigError, match=r'no manifest is in a group "frnt"\. Did you mean "front"'):
        session.components.load(three, groups=["frnt"])
    with pytest.raises(UnknownScript, match='no component is in a group "front"'):
        session.components.group("front")


def test_one_that_fails_takes_the_whole_batch_back(session: Session, three: Path, log: Log) -> None:
    broken = component_c({}, start='sc_log(ctx, "db start"); return ctx->fail(ctx, "OSError", "no disk");')
    write_component(three, "db", broken, requires='{ log = "*" }')
    with pytest.raises(CallError, match="OSError: no disk"):
        session.components.load(three)
    assert session.scripts == ()
    assert life(log)[-6:] == ["ui start", "db start", "ui stop", "ui unload", "log stop", "log unload"]


def test_the_group_of_one_that_fails_is_taken_back_and_the_rest_stays(session: Session, three: Path) -> None:
    broken = component_c({}, load='return ctx->fail(ctx, "OSError", "no screen");')
    write_component(three, "app", broken, requires='{ ui = "*" }', groups='["front"]')
    batch = session.components.load(three, together="group")
    assert [component.name for component in batch.loaded] == ["log", "db"]
    assert {name: type(error) for name, error in batch.failed.items()} == {"app": LoadError, "ui": LoadError}
    assert "no screen" in str(batch.failed["app"])
    assert "because app of the same batch or group was not" in str(batch.failed["ui"])


def test_what_requires_a_failed_one_is_not_loaded(session: Session, three: Path) -> None:
    write_component(three, "ui", component_c({"x": "oops"}), requires='{ log = "*" }')
    batch = session.components.load(three, together="none")
    assert [component.name for component in batch.loaded] == ["log", "db"]
    assert set(batch.failed) == {"ui", "app"}
    assert "app requires ui, which was not loaded" in str(batch.failed["app"])
    assert batch.failed["app"].__cause__ is batch.failed["ui"]


def test_a_failed_one_is_not_kept_by_a_session_that_keeps_failed_scripts(tmp_path: Path) -> None:
    path = write_component(tmp_path, "bad", component_c({"x": "oops"}))
    with Session(keep_failed=True) as session:
        with pytest.raises(LoadError):
            session.components.load(path)
        assert session.scripts == ()
        write_component(tmp_path, "bad")
        assert session.components.load(path).loaded[0].state == State.STARTED


def test_what_cannot_be_loaded(session: Session, three: Path, tmp_path: Path) -> None:
    components = session.components
    with pytest.raises(ConfigError, match="no manifest in this folder"):
        components.load(tmp_path)
    with pytest.raises(ConfigError, match=r"app\.c: no manifest; components are described in"):
        components.load(three / "app.c")
    with pytest.raises(LoadError, match=r'app\.scmod:4: app requires "ui", which is nowhere'):
        components.load(three / "app.scmod")
    with pytest.raises(ConfigError, match='together must be "all"'):
        components.load(three, together="some")
    components.load(three / "log.scmod")
    with pytest.raises(ConfigError, match='a component "log" is loaded already'):
        components.load(three)
    with pytest.raises(UnknownScript, match=r'no component "lgo" is loaded\. Did you mean "log"'):
        components["lgo"]


def test_a_manifest_is_a_script_like_any_other(session: Session, three: Path) -> None:
    with pytest.raises(LoadError, match=r'ui\.scmod:4: ui requires "log", which is not loaded'):
        session.load(three / "ui.scmod")
    session.load(three / "log.scmod", "elsewhere")  # found by its own name, whatever its alias
    session.load(three / "ui.scmod")
    assert [component.name for component in session.components] == ["log", "ui"]
    assert session.components["log"].script.alias == "elsewhere"


def test_a_reload_may_not_bring_a_version_that_others_cannot_use(session: Session, three: Path) -> None:
    session.components.load(three)
    write_component(three, "log", STEPS, version="2.0")
    with pytest.raises(LoadError, match=r"ui 1\.0 requires log >=1,<2, but there is log 2\.0"):
        session.components.reload("log")
    assert session.components["log"].manifest.version == "1.0"
    write_component(three, "log", STEPS, version="1.9")
    assert session.components.reload("log").manifest.version == "1.9"


# ---- unloading ------------------------------------------------------------------------------------------


def test_unloading_goes_the_other_way(session: Session, three: Path, log: Log) -> None:
    session.components.load(three)
    log.records()
    assert session.components.unload() == ["app", "db", "ui", "log"]
    assert session.scripts == ()
    assert life(log)[8:] == [
        f"{name} {step}" for name in ("app", "db", "ui", "log") for step in ("stop", "unload")
    ]


def test_what_is_required_is_only_unloaded_with_its_dependents(session: Session, three: Path) -> None:
    session.components.load(three)
    with pytest.raises(ComponentError, match="log cannot be unloaded: app, db, ui would lack it"):
        session.components.unload("log")
    assert len(session.scripts) == 4
    assert session.components.unload(group="front") == ["app", "ui"]
    assert session.components.unload("log", cascade=True) == ["db", "log"]


# ---- the life cycle -------------------------------------------------------------------------------------

ACTIONS = ("start", "pause", "resume", "stop")
REACHED_BY = {
    State.LOADED: (),
    State.STARTED: ("start",),
    State.PAUSED: ("start", "pause"),
    State.STOPPED: ("start", "stop"),
}


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("state", list(State))
def test_every_transition(session: Session, tmp_path: Path, log: Log, state: State, action: str) -> None:
    components = session.components
    components.load(write_component(tmp_path, "it", STEPS), start=False)
    for step in REACHED_BY[state]:
        getattr(components, step)("it")
    assert components["it"].state == state
    before = life(log)
    allowed, after = TRANSITIONS[action]
    if state in allowed:
        assert getattr(components, action)("it") == ["it"]
        assert components["it"].state == after
        assert life(log) == [*before, f"it {action}"]
    else:
        with pytest.raises(ComponentError, match=f"it is {state} and cannot {action}: only one that is "):
            getattr(components, action)("it")
        assert components["it"].state == state
        assert life(log) == before


def test_starting_one_starts_what_it_requires(session: Session, three: Path) -> None:
    components = session.components
    components.load(three, start=False)
    assert components.start("ui") == ["log", "ui"]
    assert components.start() == ["db", "app"]
    assert components.start() == []


def test_stopping_one_needs_its_dependents_stopped(session: Session, three: Path) -> None:
    components = session.components
    components.load(three)
    with pytest.raises(ComponentError, match="log cannot be stopped: app, db, ui would lack it"):
        components.stop("log")
    assert components.stop("app") == ["app"]
    assert components.stop("log", cascade=True) == ["db", "ui", "log"]
    assert {component.state for component in components} == {State.STOPPED}


def test_a_group_pauses_and_resumes(session: Session, three: Path) -> None:
    components = session.components
    components.load(three)
    assert components.pause(group="front") == ["app", "ui"]
    assert components["db"].state == State.STARTED
    assert components.resume() == ["ui", "app"]


@pytest.mark.parametrize("action", ACTIONS)
def test_a_callback_that_fails_leaves_the_state(session: Session, tmp_path: Path, action: str) -> None:
    fails = component_c({}, **{action: 'return ctx->fail(ctx, "OSError", "no device");'})
    components = session.components
    components.load(write_component(tmp_path, "it", fails), start=False)
    state = sorted(TRANSITIONS[action][0])[0]
    for step in REACHED_BY[state]:
        if step != action:
            getattr(components, step)("it")
    before = components["it"].state
    if before not in TRANSITIONS[action][0]:
        pytest.skip("cannot be reached without the callback")
    with pytest.raises(CallError, match="OSError: no device"):
        getattr(components, action)("it")
    assert components["it"].state == before


TICKS = component_c(
    {"tick": "*out = sc_int(++ticks);", "seen": "*out = sc_int(ticks);"},
    prefix="static int64_t ticks;",
    load='return sc_set_interval(ctx, "tick", 1, NULL);',
)


def test_timers_wait_for_start_and_stop_with_it(session: Session, tmp_path: Path, log: Log) -> None:
    components = session.components
    components.load(write_component(tmp_path, "it", TICKS), start=False)
    seen = session.script("it").function("seen")

    def waits() -> bool:
        before = seen()
        session.wait(0.03)
        return seen() == before

    assert waits()
    assert seen() == 0
    components.start("it")
    log.until(lambda: seen() > 2, "ticks")
    components.pause("it")
    assert waits()
    components.resume("it")
    now = seen()
    log.until(lambda: seen() > now + 2, "ticks after the pause")
    components.stop("it")
    assert waits()


# ---- events and statistics ------------------------------------------------------------------------------


def test_events_reach_callbacks_hooks_and_the_log(session: Session, tmp_path: Path, log: Log) -> None:
    watcher = tmp_path / "watcher.py"
    watcher.write_text(
        "import host\nseen = []\n"
        + "".join(f"host.on('component_{kind}', lambda *a: seen.append(('{kind}', *a)))\n" for kind in EVENTS)
    )
    session.load(watcher)
    events: list[Event] = []
    end = session.components.subscribe(events.append)
    session.components.subscribe(lambda event: 1 / 0)
    components = session.components
    path = write_component(tmp_path, "it")
    components.load(path)
    components.pause("it")
    components.resume("it")
    components.stop("it")
    (tmp_path / "it.c").write_text("oops")
    with pytest.raises(LoadError):
        components.reload("it")
    write_component(tmp_path, "it")
    components.reload("it")
    components.unload("it")
    kinds = ["loading", "loaded", "started", "paused", "resumed", "stopped", "failed", "reloaded", "unloaded"]
    assert [event.kind for event in events] == kinds
    assert {event.name for event in events} == {"it"}
    assert [bool(event.detail) for event in events] == [kind == "failed" for kind in kinds]
    assert [entry[0] for entry in session.script("watcher").get("seen")] == kinds
    lines = log.lines()
    assert all(f"component it: {kind}" in lines for kind in kinds if kind != "failed")
    assert any(line.startswith("component it failed: ") for line in lines)
    assert "component callback: ZeroDivisionError: division by zero" in lines
    end()
    components.load(path)
    assert len(events) == len(kinds)


KEEPS = component_c(
    {
        "keep": "ctx->retain(ctx, a[0].as.ref); kept = a[0].as.ref;",
        "drop": "ctx->release(ctx, kept);",
        "use": "return ctx->call_ref(ctx, kept, a, n, out);",
        "fail": 'return ctx->fail(ctx, "X", "y");',
    },
    prefix="static sc_ref *kept; static sc_value figures[2];",
    statistics='figures[0] = sc_str("level"); figures[1] = sc_double(2.5); '
    "*out = sc_items(SC_DICT, figures, 2);",
)


def test_statistics(session: Session, tmp_path: Path) -> None:
    (component,) = session.components.load(write_component(tmp_path, "it", KEEPS)).loaded
    session.call("it", "keep", print)
    with pytest.raises(CallError):
        session.call("it", "fail")
    found = component.statistics()
    assert (found.calls, found.errors, found.generation, found.references) == (2, 1, 1, 1)
    assert found.load_seconds > 0
    assert found.mapped_bytes >= os.sysconf("SC_PAGE_SIZE") or not Path("/proc/self/maps").exists()
    assert found.own == {"level": 2.5}


def test_statistics_that_are_no_dict(session: Session, tmp_path: Path) -> None:
    path = write_component(tmp_path, "it", component_c({}, statistics="*out = sc_int(1);"))
    (component,) = session.components.load(path).loaded
    with pytest.raises(Exception, match=r"statistics\(\) must give a dict, got int"):
        component.statistics()


# ---- reload with the state handed over -------------------------------------------------------------------

COUNTS = component_c(
    {"bump": "*out = sc_int(++count);", "version": "*out = sc_int(VERSION);"},
    prefix="static int64_t count; static sc_value saved[2];",
    save='saved[0] = sc_str("count"); saved[1] = sc_int(count); *out = sc_items(SC_DICT, saved, 2); '
    'sc_log(ctx, NAME " save");',
    restore='if (state->tag != SC_DICT) return ctx->fail(ctx, "TypeError", "no dict"); '
    'count = state->as.items[1].as.integer; sc_log(ctx, NAME " restore"); RESTORED',
    **LIFE,
)


def counts(version: int, restored: str = "") -> str:
    return f"#define VERSION {version}\n#define RESTORED {restored}\n{COUNTS}"


def mapped_libraries(name: str) -> set[str]:
    """Libraries of that module that the process has mapped now, by path."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    paths = {line.split(maxsplit=5)[5] for line in lines if len(line.split(maxsplit=5)) == 6}
    return {path for path in paths if Path(path).name.startswith(f"{name}-") and ".so" in path}


@needs_maps
def test_the_state_goes_from_the_old_build_to_the_new_and_the_old_one_goes(
    session: Session, tmp_path: Path, log: Log
) -> None:
    components = session.components
    components.load(write_component(tmp_path, "it", counts(1)))
    bump = session.script("it").function("bump")
    assert [bump(), bump()] == [1, 2]
    (old,) = mapped_libraries("it")
    write_component(tmp_path, "it", counts(2))
    components.reload("it")
    assert session.call("it", "version") == 2
    assert bump() == 3
    assert components["it"].state == State.STARTED
    assert life(log)[2:] == ["it save", "it load", "it restore", "it start", "it stop", "it unload"] or life(
        log
    )[2:] == ["it load", "it save", "it restore", "it start", "it stop", "it unload"]
    (new,) = mapped_libraries("it")
    assert new != old


FAIL = 'return ctx->fail(ctx, "OSError", "no device");'


@needs_maps
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (counts(2, 'return ctx->fail(ctx, "ValueError", "too new");'), "ValueError: too new"),
        (
            counts(2).replace(
                'sc_log(ctx, NAME " start");', 'return ctx->fail(ctx, "OSError", "no device");'
            ),
            "OSError",
        ),
        (
            counts(2).replace('sc_log(ctx, NAME " load");', 'return ctx->fail(ctx, "OSError", "no device");'),
            "OSError",
        ),
        ("oops", "oops|expected"),
    ],
    ids=["restore", "start", "load", "compile"],
)
def test_a_new_build_that_cannot_take_over_leaves_the_old_one_as_it_was(
    session: Session, tmp_path: Path, text: str, told: str
) -> None:
    components = session.components
    components.load(write_component(tmp_path, "it", counts(1)))
    bump = session.script("it").function("bump")
    bump()
    before = mapped_libraries("it")
    write_component(tmp_path, "it", text)
    with pytest.raises(LoadError, match=told):
        components.reload("it")
    assert session.call("it", "version") == 1
    assert bump() == 2
    assert components["it"].state == State.STARTED
    assert mapped_libraries("it") == before


@pytest.mark.parametrize("state", list(State))
def test_a_reload_keeps_the_state_of_life(session: Session, tmp_path: Path, state: State) -> None:
    components = session.components
    components.load(write_component(tmp_path, "it", counts(1)), start=False)
    for step in REACHED_BY[state]:
        getattr(components, step)("it")
    write_component(tmp_path, "it", counts(2))
    assert components.reload("it").state == state
    assert session.call("it", "version") == 2


def test_a_state_that_nobody_takes_is_reported(session: Session, tmp_path: Path, log: Log) -> None:
    session.components.load(write_component(tmp_path, "it", counts(1)))
    write_component(tmp_path, "it")
    session.components.reload("it")
    assert any("has no restore(); what the old one saved is lost" in line for line in log.lines())


def test_calls_during_reloads_all_arrive(session: Session, tmp_path: Path) -> None:
    components = session.components
    components.load(write_component(tmp_path, "it", counts(1)))
    bump = session.script("it").function("bump")
    stop, made, wrong = threading.Event(), [0, 0], list[BaseException]()

    def call(number: int) -> None:
        try:
            while not stop.is_set():
                bump()
                made[number] += 1
        except BaseException as error:  # noqa: BLE001 - shown below
            wrong.append(error)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for version in range(2, 12):
        write_component(tmp_path, "it", counts(version))
        components.reload("it")
    stop.set()
    for thread in threads:
        thread.join(20)
    assert wrong == []
    assert session.call("it", "version") == 11
    assert bump() == sum(made) + 1  # the state went through ten builds, and no call was lost


class Kept:
    """Something callable that can be watched."""

    def __call__(self) -> int:
        return 7


@needs_maps
def test_what_an_old_build_keeps_is_given_back_before_it_is_unmapped(
    session: Session, tmp_path: Path
) -> None:
    components = session.components
    components.load(write_component(tmp_path, "it", KEEPS))
    thing = Kept()
    gone = weakref.ref(thing)
    session.call("it", "keep", thing)
    session.call("it", "keep", thing)
    del thing
    gc.collect()
    assert session.call("it", "use") == 7
    write_component(tmp_path, "it", KEEPS + "/* changed */")
    components.reload("it")
    gc.collect()
    assert gone() is None
    assert len(mapped_libraries("it")) == 1
    components.unload("it")
    assert mapped_libraries("it") == set()


def test_giving_back_more_than_was_kept_is_harmless(session: Session, tmp_path: Path) -> None:
    session.components.load(write_component(tmp_path, "it", KEEPS))
    thing = Kept()
    session.call("it", "keep", thing)
    for _ in range(3):
        session.call("it", "drop")
    gone = weakref.ref(thing)
    del thing
    gc.collect()
    assert gone() is None


def test_many_references_are_kept_and_given_back(session: Session, tmp_path: Path) -> None:
    text = component_c(
        {
            "keep": "kept[count++] = a[0].as.ref; ctx->retain(ctx, a[0].as.ref);",
            "drop": "ctx->release(ctx, kept[a[0].as.integer]);",
        },
        prefix="static sc_ref *kept[2000]; static int count;",
    )
    (component,) = session.components.load(write_component(tmp_path, "it", text)).loaded
    things = [Kept() for _ in range(2000)]
    gone = [weakref.ref(thing) for thing in things]
    for thing in things:
        session.call("it", "keep", thing)
    del thing
    things.clear()
    order = [(number * 7919) % 2000 for number in range(2000)]
    for number in order[:1500]:
        session.call("it", "drop", number)
    gc.collect()
    assert component.statistics().references == 500
    assert {number for number in range(2000) if gone[number]() is None} == set(order[:1500])
    session.components.unload("it")
    gc.collect()
    assert not any(ref() for ref in gone)


# ---- reload on save --------------------------------------------------------------------------------------


def test_saving_a_source_of_a_manifest_reloads_it(session: Session, tmp_path: Path, log: Log) -> None:
    header = tmp_path / "value.h"
    header.write_text("#define VALUE 1\n")
    text = component_c({"value": "*out = sc_int(VALUE);"}, prefix='#include "value.h"')
    session.components.load(write_component(tmp_path, "it", text))
    session.watch()
    assert session.call("it", "value") == 1
    header.write_text("#define VALUE 2\n")
    log.until(lambda: session.call("it", "value") == 2, "the new header's value")
    (tmp_path / "it.c").write_text(
        '#define NAME "it"\n' + text.replace("sc_int(VALUE)", "sc_int(10 * VALUE)")
    )
    log.until(lambda: session.call("it", "value") == 20, "the new source")
    generation = session.script("it").generation
    header.write_text("#define VALUE 2\n")  # saved again as it is
    (tmp_path / "it.scmod").write_text((tmp_path / "it.scmod").read_text() + "cflags = '-DMORE'\n")
    log.until(lambda: session.script("it").generation == generation + 1, "the new manifest")


def test_saving_a_source_mends_one_that_could_not_be_loaded(tmp_path: Path) -> None:
    path = write_component(tmp_path, "it", "oops")
    with Session(keep_failed=True) as session:
        log = Log(session)
        session.watch()
        with pytest.raises(LoadError):
            session.load(path)
        (tmp_path / "it.c").write_text(component_c({"who": "*out = sc_int(5);"}))
        log.until(lambda: session.script("it").generation == 1, "the mended source")
        assert session.call("it", "who") == 5


# ---- one component calls another --------------------------------------------------------------------------

CALLER = component_c(
    {
        "bind": 'if (ctx->import_function(ctx, "it", "bump", &bump)) return -1; ctx->retain(ctx, bump);',
        "use": "return ctx->call_ref(ctx, bump, NULL, 0, out);",
        "wrong": 'sc_ref *r; return ctx->import_function(ctx, "it", "bmp", &r);',
        "nobody": 'sc_ref *r; return ctx->import_function(ctx, "itt", "bump", &r);',
    },
    prefix="static sc_ref *bump;",
)


def test_an_imported_function_follows_reloads(session: Session, tmp_path: Path) -> None:
    components = session.components
    components.load(write_component(tmp_path, "it", counts(1)))
    components.load(write_component(tmp_path, "caller", CALLER, requires='{ it = "*" }'))
    call = session.script("caller").call
    call("bind")
    assert [call("use"), call("use")] == [1, 2]
    write_component(tmp_path, "it", counts(2))
    components.reload("it")
    assert call("use") == 3
    with pytest.raises(UnknownFunction, match=r'no function "bmp".*"bump"'):
        call("wrong")
    with pytest.raises(UnknownScript, match=r'no script "itt" is loaded.*"it"'):
        call("nobody")
    session.unload("it")
    with pytest.raises(ScriptClosed):
        call("use")


# ---- the GIL ----------------------------------------------------------------------------------------------

GIL = """#include <time.h>
static void nap(void) {{ struct timespec t = {{ 0, 50000000 }}; nanosleep(&t, NULL); }}
{}"""


def turns_while(call: Callable[[], Any]) -> int:
    """How often another Python thread got to run while `call` slept in C."""
    stop, turns = threading.Event(), [0]

    def count() -> None:
        while not stop.is_set():
            turns[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    while not turns[0]:
        time.sleep(0.001)
    before = turns[0]
    call()
    after = turns[0]
    stop.set()
    thread.join()
    return after - before


@pytest.mark.parametrize(("flags", "runs"), [("0", True), ("SC_KEEP_GIL", False)])
def test_the_gil_is_released_unless_the_module_asks_for_it(
    session: Session, tmp_path: Path, flags: str, runs: bool
) -> None:
    text = "#define _POSIX_C_SOURCE 199309L\n" + component_c(
        {"sleep": "nap();"}, prefix=GIL.format(""), flags=flags
    )
    session.components.load(write_component(tmp_path, "it", text))
    sleep = session.script("it").function("sleep")
    # A busy machine may hold either thread up, each of them now and then.
    turns = [turns_while(sleep) for _ in range(5)]
    assert max(turns) > 5 if runs else min(turns) <= 1


def test_host_calls_and_callbacks_with_the_gil_kept(session: Session, tmp_path: Path, log: Log) -> None:
    text = component_c(
        {
            "apply": "return ctx->call_ref(ctx, a[0].as.ref, a + 1, n - 1, out);",
            "talk": 'return sc_log(ctx, "it load");',
        },
        flags="SC_KEEP_GIL",
        **says("start"),
    )
    session.components.load(write_component(tmp_path, "it", text))
    apply = session.script("it").function("apply")
    assert apply(max, 3, 9) == 9
    assert apply(apply, apply, max, 1, 2) == 2
    with pytest.raises(CallError, match="ZeroDivisionError"):
        apply(lambda: 1 / 0)
    session.call("it", "talk")
    assert life(log) == ["it start", "it load"]


# ---- versions of the interface -----------------------------------------------------------------------------

V1 = Path(__file__).with_name("abi1.h")


def test_a_library_built_for_version_1_still_works(session: Session, tmp_path: Path) -> None:
    """Compiled against the header as it was then."""
    source = tmp_path / "old.c"
    source.write_text(
        f'#include "{V1}"\n'
        "static int64_t loads;\n"
        "static int add(sc_ctx *ctx, const sc_value *a, size_t n, sc_value *out)"
        " { *out = sc_int(a[0].as.integer + a[1].as.integer); return 0; }\n"
        "static int fail(sc_ctx *ctx, const sc_value *a, size_t n, sc_value *out)"
        ' { return ctx->fail(ctx, "ValueError", "no"); }\n'
        'static int load(sc_ctx *ctx) { loads++; return sc_log(ctx, "old load"); }\n'
        'static void unload(sc_ctx *ctx) { sc_log(ctx, "old unload"); }\n'
        'static const sc_export exports[] = {{"add", add, "ll:l", "Add."}, {"fail", fail, ":", ""}, {0}};\n'
        'static const sc_variable variables[] = {{"loads", SC_VAR_INT64, &loads, 1}, {0}};\n'
        # What follows the table in memory must not be taken for its new members.
        "static const struct { sc_module module; void *trap[16]; } table = {\n"
        '    {SC_ABI_VERSION, "old", "1.0", exports, variables, load, unload},\n'
        "    {(void *)1, (void *)1, (void *)1, (void *)1, (void *)1, (void *)1, (void *)1, (void *)1}};\n"
        "SC_MODULE(table.module)\n"
    )
    library = tmp_path / "old.so"
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or "clang"
    subprocess.run([compiler, "-shared", "-fPIC", "-w", str(source), "-o", str(library)], check=True)
    script = session.load(library)
    assert script.call("add", 3, 4) == 7
    assert script.get("loads") == 1
    with pytest.raises(CallError, match="ValueError: no"):
        script.call("fail")
    assert [function.name for function in script.functions()] == ["add", "fail"]
    session.pause("old")
    session.resume("old")
    session.reload("old")
    assert script.call("add", 1, 1) == 2


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "SC_ABI_VERSION",
            "0",
            r"built for version 0 of the .*, this is version 2 \(version 1 is",
        ),
        ("SC_ABI_VERSION", "3", "built for version 3 of the module interface"),
        (".flags = 0", ".flags = 6", "the module has unknown flags 0x6"),
        ("NULL, NULL, 0}", "NULL, NULL, 8}", r"who\(\) has unknown flags 0x8"),
        ("SC_MODULE(module)", "const void *keep = &module;", "does not export scriptconsole_module"),
    ],
)
def test_libraries_of_another_make_are_refused_by_name(
    session: Session, tmp_path: Path, old: str, new: str, told: str
) -> None:
    text = component_c({"who": "*out = sc_int(1);"})
    assert old in text
    path = write_component(tmp_path, "it", text.replace(old, new))
    with pytest.raises(LoadError, match=told) as caught:
        session.components.load(path)
    assert caught.value.file == str(path)


def test_callbacks_of_a_library_one_by_one(tmp_path: Path) -> None:
    from scriptengines.native.compiler import Recipe, SourceFile, build

    text = f'#define NAME "it"\n{counts(1)}'.encode()
    path = build(Recipe("it", (SourceFile(tmp_path / "it.c", text),)), tmp_path).path
    said: list[Any] = []
    library = NativeLibrary(str(path), RunLock("it"), lambda name, args: said.append(args), str)
    assert [step for step in ("start", "statistics", "save") if library.has(step)] == ["start", "save"]
    library.load()
    assert library.step("start") is None
    assert library.step("save") == {"count": 0}
    assert library.step("statistics") is None
    library.step("restore", state={"count": 41})
    assert library.function("bump")() == 42
    with pytest.raises(CallError, match="TypeError: no dict"):
        library.step("restore", state=[1])
    assert library.close()
    with pytest.raises(ScriptClosed):
        library.step("start")
    assert not library.mapped


def test_a_library_that_stays_mapped_is_reported(session: Session, tmp_path: Path, log: Log) -> None:
    session.components.load(write_component(tmp_path, "it", libs='"-Wl,-z,nodelete"'))
    session.components.unload("it")
    assert any("the system keeps the library in memory" in line for line in log.lines())
