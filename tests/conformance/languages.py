"""The engines and isolations under test, each with its scripts, and the one table of what one does not do."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

from scriptengines.lua.versions import DEFAULT, installed

from . import sources_lua, sources_native, sources_python

EXCEPTIONS = {
    ("lua", "keyword arguments"): "Lua functions have no named parameters; pass a table",
    ("native", "keyword arguments"): "C functions have no named parameters; pass a dict",
    (
        "native",
        "result cycles are named",
    ): "C structs have no identity: a cycle is a value of too many levels",
    ("native", "evaluate"): "C cannot be compiled in a running module; evaluate reads variables by name",
    ("native", "execute"): "C cannot be compiled in a running module; execute takes assignments to variables",
    (
        "native",
        "typed input: last result",
    ): "C cannot be compiled in a running module; only variables are read",
    ("native", "memory"): "what C code allocates is the process's; nobody can tell whose it is",
    ("native", "log levels"): "the C interface passes no keyword arguments; sc_log writes at level info",
    (
        "native",
        "interrupt",
    ): "running C code cannot be stopped without killing the process; interrupt returns False",
    (
        "native",
        "call timeout",
    ): "running C code cannot be stopped: the caller gets CallTimeout in time, the function goes on",
    (
        "native",
        "reload interrupts a runaway",
    ): "running C code cannot be stopped; the reload is refused as busy",
    ("native", "timeout at load"): "running C code cannot be stopped; load lasts until the callback returns",
    **{
        ("native-process", behaviour): reason
        for behaviour, reason in (
            (
                "interrupt",
                "its process would have to be killed; interrupt returns False, reload and unload do it",
            ),
            ("call timeout", "its process is killed and the script must be reloaded; see test_process.py"),
            ("reload interrupts a runaway", "its process is killed; see test_process.py"),
            ("timeout at load", "its process is killed; see test_process.py"),
        )
    },
}
"""(name of the engine or of a column, behaviour) -> why it is not there."""


BASIC = frozenset(
    {
        "call by name",
        "function handle",
        "callbacks",
        "references",
        "values arrive",
        "values come back",
        "values made by a script",
        "error with type, message and frames",
        "interrupt",
        "call timeout",
        "reload",
        "a broken reload changes nothing",
        "state survives a reload",
    }
)
"""What is also tried with the further versions of a language: where those differ."""


@dataclass(frozen=True)
class Language:
    """One engine, in one of its isolations, and its scripts.

    Attributes:
        name: Of its column in the table.
        engine: Of the engine.
        suffix: Of its files.
        texts: Its scripts by name.
        header: What stands at the top of each of them.
        basic: Whether only the behaviours of BASIC are tried.
        integers: Whether its numbers may be integers.
    """

    name: str
    engine: str
    suffix: str
    texts: dict[str, str]
    header: str = ""
    basic: bool = False
    integers: bool = True

    def text(self, name: str, version: int = 1) -> str:
        return self.headed(self.texts[name].replace("$VERSION", str(version)))

    def headed(self, text: str) -> str:
        return self.header + text


def _language(engine: str, sources: ModuleType) -> Language:
    return Language(engine, engine, sources.SUFFIX, sources.TEXTS)


def _python(isolation: str) -> Language:
    header = f'# scriptconsole: isolation = "{isolation}"\n'
    return Language(isolation, "python", sources_python.SUFFIX, sources_python.TEXTS, header)


def _process(engine: str, sources: ModuleType, comment: str) -> Language:
    header = f'{comment} scriptconsole: isolation = "process"\n'
    return Language(f"{engine}-process", engine, sources.SUFFIX, sources.TEXTS, header)


def further_lua(name: str) -> Language:
    """The column of a version of Lua; of LuaJIT, the newest is tried as thoroughly as the default version."""
    basic = name != "luajit2.1"
    label = name if name.startswith("luajit") else f"lua{name}"
    header = f'-- scriptconsole: lua = "{name}"\n'
    return Language(label, "lua", ".lua", sources_lua.TEXTS, header, basic, name in ("5.3", "5.5"))


LANGUAGES = (
    _language("python", sources_python),
    _python("shared"),
    _python("main"),
    _language("lua", sources_lua),
    _language("native", sources_native),
    _process("python", sources_python, "#"),
    _process("lua", sources_lua, "--"),
    _process("native", sources_native, "//"),
)
"""Those that are tried with everything."""

PARTNERS = tuple(one for one in LANGUAGES if one.name in ("python", "lua", "native", "python-process"))
"""Those that each of them meets."""

VERSIONS = tuple(further_lua(name) for name in installed() if name != DEFAULT)
"""Further versions of Lua, as far as they are installed."""
