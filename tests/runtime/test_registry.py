"""One decorator puts a function into every engine, into help, completion and the reference."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scriptengines.errors import CallError
from scriptengines.hostapi import registry
from scriptengines.session import Session
from tests.conftest import Log

type Write = Callable[[str, str], Path]

EXTENSION = """
from scriptengines.hostapi.registry import host_function
from scriptengines.hostapi.timers import sleep

@host_function("greetings")
def greet(host, name: str = "you") -> str:
    \"\"\"Say hello.\"\"\"
    return f"hello {name}"

@host_function("greetings")
async def greet_later(host, name: str) -> str:
    \"\"\"Say hello, later.\"\"\"
    await sleep(host, 1)
    return f"later, {name}"
"""
PYTHON = """
import host
def now(): return host.greet("Ada")
async def later(): return await host.greet_later("Ada")
"""
LUA = """
function now() return host.greet("Ada") end
function later() setTimeout(function() host.log("got " .. host.greet_later("Ada")) end, 0) end
function begin()
    host.greet_later("Ada", function(err, text) host.log("called back " .. tostring(err) .. " " .. text) end)
end
"""
C = """
#include <scriptconsole.h>
static int now(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)args, (void)n;
    sc_value name = sc_str("Ada");
    return ctx->host(ctx, "greet", &name, 1, out);
}
static int took(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)n;
    *out = sc_nil();
    return ctx->host(ctx, "log", &args[1], 1, out);
}
static int begin(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)args, (void)n, (void)out;
    sc_value given[2] = { sc_str("Ada"), sc_callback("took") }, operation;
    *out = sc_nil();
    return ctx->host(ctx, "greet_later", given, 2, &operation);
}
static const sc_export exports[] = {
    {"now", now, ":A", ""}, {"took", took, NULL, ""}, {"begin", begin, ":A", ""}, {0}
};
static const sc_module module = {SC_ABI_VERSION, "it", "1.0", exports, NULL, NULL, NULL};
SC_MODULE(module)
"""


def test_each_function_is_where_the_table_says() -> None:
    for module, names in registry.MODULES.items():
        importlib.import_module(module)
        registered = [name for name in registry.names() if registry.find(name).function.__module__ == module]
        assert sorted(registered) == sorted(names), module


def test_each_function_is_documented_and_has_a_category() -> None:
    for name in registry.names():
        function = registry.find(name)
        assert function.summary.endswith("."), name
        assert function.category, name


def test_nothing_is_imported_before_it_is_asked_for() -> None:
    code = "import sys; from scriptengines.hostapi import registry; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not set(registry.MODULES) & set(done.stdout.split())


def test_a_name_cannot_be_taken_twice() -> None:
    with pytest.raises(ValueError, match='offers "sleep" to scripts, and so does script'):
        registry.host_function("timers", name="sleep")(lambda host: None)


@pytest.fixture
def extension(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package of somebody else's, installed as far as Python can tell."""
    (tmp_path / "greetings.py").write_text(EXTENSION)
    (tmp_path / "broken.py").write_text("import nowhere_to_be_found\n")
    about = tmp_path / "greetings-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: greetings\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[scriptconsole.extensions]\ngreetings = greetings\nbroken = broken\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "_extensions_loaded", False)
    yield
    # What our own modules have registered meanwhile stays: they are not imported a second time.
    for name, found in list(registry._registered.items()):
        if found.function.__module__ == "greetings":
            del registry._registered[name]
    for name in ("greetings", "broken"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("isolation", ["isolated", "main"])
@pytest.mark.usefixtures("extension")
def test_another_package_offers_a_function_to_python(session: Session, write: Write, isolation: str) -> None:
    script = session.load(write("it.py", PYTHON), isolation=isolation)
    assert script.call("now") == "hello Ada"
    assert script.call("later") == "later, Ada"
    assert "greet" in script.completions("host.gr", 7)[0].text


@pytest.mark.usefixtures("extension")
def test_another_package_offers_a_function_to_lua(session: Session, write: Write, log: Log) -> None:
    script = session.load(write("it.lua", LUA))
    assert script.call("now") == "hello Ada"
    script.call("later")
    log.wait_for("got later, Ada")
    script.call("begin")
    log.wait_for("called back nil later, Ada")
    assert [found.text for found in script.completions("host.greet_", 11)] == ["greet_later"]


@pytest.mark.usefixtures("extension")
def test_another_package_offers_a_function_to_c(session: Session, write: Write, log: Log) -> None:
    script = session.load(write("it.c", C))
    assert script.call("now") == "hello Ada"
    script.call("begin")
    log.wait_for("later, Ada")


@pytest.mark.usefixtures("extension")
def test_help_shows_it_and_names_a_package_that_is_broken(session: Session, write: Write) -> None:
    script = session.load(write("it.lua", "function help(name) return host.help(name or '') end"))
    text = script.call("help")
    assert "greetings:\n  greet            Say hello." in text
    assert "sleep" in text
    assert "not available: broken (broken): ModuleNotFoundError" in text
    assert script.call("help", "greet") == "greet(name: str = 'you') -> str\n\nSay hello."


def test_an_unknown_function_is_named_with_a_likely_one(session: Session, write: Write) -> None:
    script = session.load(write("it.py", "import host\ndef f(): host.slep(1)\n"))
    with pytest.raises(CallError, match='the host has no function "slep"'):
        script.call("f")
