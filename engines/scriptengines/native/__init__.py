"""The native engine: modules from a shared library, a `.c` file compiled on load, or a `.scmod` manifest."""

from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any, ClassVar, cast

from scriptengines.engine import Engine
from scriptengines.errors import (
    LoadError,
    ScriptClosed,
    ScriptConsoleError,
    UnknownScript,
    did_you_mean,
)
from scriptengines.host import HostObject
from scriptengines.local import LocalRuntime
from scriptengines.locations import compiled_modules
from scriptengines.options import Option
from scriptengines.results import rows_of
from scriptengines.summary import kind_of, size_of, summarize, type_name
from scriptengines.tree import CLOSED, EXPANDED, ITEMS, STATE, Tree, put, step_into
from scriptnative import bind_native
from scriptnative.errors import CrossingError

from .builds import Prepared, prepare
from .library import NativeModule
from .manifest import SUFFIX, check_requirement, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from scriptengines.completion import Candidate
    from scriptengines.completion.question import Question
    from scriptengines.engine import Context, Runtime, Source, ValueRow
    from scriptengines.results import ResultRow
    from scriptengines.script import Script
    from scriptengines.tree import Opened, Row
    from scriptengines.view import FunctionInfo
    from scriptnative import Function

    from .manifest import Manifest

CLOSE_LIMIT = 2.0
"""Seconds that a running call gets before its library is left open."""


class NativeRuntime(LocalRuntime):
    """One loaded build of a native module.

    Attributes:
        started: Whether it works: start() has succeeded and stop() was not called since.
        stopped: Whether it has worked and does no more.
        paused: Whether it is held back.
    """

    isolation = "library"
    stoppable: ClassVar[bool] = False

    def __init__(self, source: Source, context: Context, previous: Runtime | None) -> None:
        state = {} if previous is None else previous.export_state()
        self.prepared = prepare(source, compiled_modules())
        self.files = tuple(self.prepared.digests)
        self._check_requirements(context)
        if self.prepared.build.warnings:
            context.reporter.log("warning", self.prepared.build.warnings.strip())
        super().__init__(source, context, previous, state)
        self.started = self.stopped = self.paused = False
        try:
            self.module = self._open(self.prepared)
        except BaseException:
            self.give_up()
            raise
        self._offered = self._host_functions()
        self._warn_of_version()

    def _open(self, prepared: Prepared) -> NativeModule:
        library, path = prepared.build.path, self.source.path
        try:
            return NativeModule(
                library,
                self.context.lock,
                self._ask_host,
                sources=prepared.sources,
                inits=prepared.build.inits,
            )
        except LoadError as error:
            # The author knows the file, not the build of it in the cache.
            text = str(error).replace(str(library), str(path))
            raise LoadError(text, file=str(path), detail=error.detail, frames=error.frames) from None

    # ---- components ----------------------------------------------------------------------------

    @property
    def manifest(self) -> Manifest | None:
        """Its manifest, if it has one."""
        return self.prepared.manifest

    @property
    def version(self) -> str:
        """What its manifest says, else what the module says."""
        manifest = self.prepared.manifest
        return self.module.library.version if manifest is None else manifest.version

    def _warn_of_version(self) -> None:
        told = self.module.library.version
        if told and told != self.version:
            self.context.reporter.log(
                "warning", f"{self.source.path}: the manifest says version {self.version}, the library {told}"
            )

    def _check_requirements(self, context: Context) -> None:
        """Refuse a version that it, or what is loaded already, cannot go with."""
        own = self.prepared.manifest
        if own is None:
            return
        scripts = _scripts_of(context)
        for need in own.requires:
            other = component_of(scripts.values(), need.name)
            if other is None:
                hint = did_you_mean(need.name, scripts) or " Load it before."
                text = (
                    f'{own.path}:{need.line}: {own.name} requires "{need.name}", which is not loaded.{hint}'
                )
                raise LoadError(text, file=str(own.path), line=need.line)
            check_requirement(own, need, other.version)
        for dependent in dependents_of(scripts.values(), own.name):
            theirs = manifest_of(dependent)
            for need in () if theirs is None else theirs.requires:
                if theirs is not None and need.name == own.name:
                    check_requirement(theirs, need, own.version)

    def start(self) -> None:
        """Begin to work; nothing when it works already."""
        with self.context.lock:
            self._start(entering=True)

    def _start(self, *, entering: bool) -> None:
        if self.started:
            return
        self.module.library.step("start", entering=entering)
        self.started, self.stopped = True, False
        self.loop.set_paused(self.paused)

    def stop(self) -> None:
        """Undo `start`: the module's stop(), and timers and sockets are held back."""
        with self.context.lock:
            if not self.started:
                return
            self.module.library.step("stop")
            self.started, self.stopped, self.paused = False, True, False
            self.loop.set_paused(True)

    def set_paused(self, paused: bool) -> None:
        if not (self.started and self.module.library.has("pause" if paused else "resume")):
            self._set_paused(paused, entering=True)  # waits for nobody
            return
        with self.context.lock:
            self._set_paused(paused, entering=True)

    def _set_paused(self, paused: bool, *, entering: bool) -> None:
        if paused == self.paused:
            return
        if self.started:
            self.module.library.step("pause" if paused else "resume", entering=entering)
        self.paused = paused
        self.loop.set_paused(paused or not self.started)

    def statistics(self) -> dict[str, Any]:
        """What the module tells of itself."""
        found = self.module.library.step("statistics")
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise ScriptConsoleError(
                f"{self.context.alias}: statistics() must give a dict, got {type(found).__name__}",
                file=str(self.source.path),
            )
        return cast("dict[str, Any]", found)

    def files_changed(self) -> bool:
        return self.prepared.is_stale()

    # ---- the host ---------------------------------------------------------------------------------

    def _host_functions(self) -> dict[str, Callable[..., Any]]:
        state = self.host.state
        return {
            "state_get": state.get,
            "state_set": state.__setitem__,
            "get": _get_field,
            "method": _call_method,
            "tcp_send": _tcp_send,
            "tcp_close": _tcp_close,
            "import": self._import,
        }

    def _import(self, alias: str, name: str) -> Function:
        """A handle to a function of another script, which follows its reloads."""
        scripts = _scripts_of(self.context)
        found = component_of(scripts.values(), alias)
        script = scripts.get(alias if found is None else found.context.alias)
        if script is None:
            raise UnknownScript(f'no script "{alias}" is loaded.{did_you_mean(alias, scripts)}')
        handle = script.function(name)
        script.runtime.bind(handle)  # tells now, rather than at the first call, that there is none
        return handle

    def _ask_host(self, name: str, args: tuple[Any, ...]) -> Any:
        function = self._offered.get(name)
        if function is None:
            try:
                function = self._offered[name] = self.host.offer(name)
            except AttributeError as error:
                raise ScriptConsoleError(str(error)) from None
        result = function(*args)
        return getattr(result, "port", result) if name == "tcp_serve" else result

    # ---- generations ------------------------------------------------------------------------------

    def execute_top_level(self) -> None:
        previous = self.previous
        self.loop.set_paused(True)
        self.module.library.load()
        if isinstance(previous, NativeRuntime):
            self._take_over(previous)
        elif self._starts_itself():
            self._start(entering=False)

    def _starts_itself(self) -> bool:
        wanted = self.source.options.get("start")
        manifest = self.prepared.manifest
        return bool(wanted) if wanted is not None else manifest is None or manifest.start

    def _take_over(self, previous: NativeRuntime) -> None:
        """Become what the running build is; that has lost nothing yet should this fail."""
        old, new = previous.module.library, self.module.library
        if old.has("save") and new.has("restore"):
            new.step("restore", entering=False, state=old.step("save", entering=False))
        elif old.has("save"):
            self.context.reporter.log(
                "warning",
                f"{self.source.path}: the new build has no restore(); what the old one saved is lost",
            )
        if previous.started:
            self._start(entering=False)
        self.stopped = previous.stopped
        if previous.paused:
            self._set_paused(True, entering=False)

    def discard(self) -> None:
        library = self.module.library
        for step in ("stop", "unload"):
            try:
                if step == "unload":
                    library.unload()
                elif self.started:
                    self.started = False
                    library.step("stop", CLOSE_LIMIT, entering=False)
            except ScriptClosed:
                pass
            except ScriptConsoleError as error:
                self.context.reporter.error(step, error)
        if not library.close(CLOSE_LIMIT):
            self.context.reporter.log(
                "warning", f"{self.source.path} is still running; its library stays open"
            )
        elif library.mapped and not self.prepared.build.inits:
            self.context.reporter.log(
                "warning",
                f"{self.source.path}: the system keeps the library in memory (is it linked with -z nodelete, "
                "or does it have thread-local destructors?)",
            )

    def bind(self, function: Function) -> None:
        bind_native(function, self.module.function(function.name))

    def functions(self) -> list[FunctionInfo]:
        return self.module.functions()

    def variables(self, limit: int, opened: Opened, deep: int) -> list[Row] | None:
        tree = Tree(limit, deep)
        state = self.host.state
        if state:
            tree.add_all(0, [(STATE, STATE, state)], opened)
        for row in self.module.variables()[: limit - len(tree.rows)]:
            inside = opened.get(row.name, (ITEMS, CLOSED) if deep else None) if row.is_array else None
            tree.rows.append(row.tree_row(EXPANDED if inside is not None else 0))
            if inside is not None:
                tree.rows += self.module.elements(row, min(inside[0], limit - len(tree.rows)))
        return tree.rows

    def look(self, expression: str) -> ValueRow | None:
        value: Any = self.evaluate(expression)
        number = float(value) if type(value) in (int, float) else None
        return type_name(kind_of(value)), summarize(value), size_of(value), number

    def assign(self, path: tuple[str | int, ...], text: str) -> None:
        value = _literal(text)
        if path[0] != STATE:
            self.set(path, value)
        elif len(path) == 1:
            raise CrossingError(f"{STATE} cannot be replaced; change what is in it")
        else:
            owner: Any = self.host.state
            for step in path[1:-1]:
                owner = step_into(owner, step, STATE)
            put(owner, path[-1], value, STATE)

    def get(self, path: tuple[str | int, ...]) -> Any:
        found: Any = self.module.library.get(cast("str", path[0]))
        for step in path[1:]:
            found = found[step]
        return found

    def set(self, path: tuple[str | int, ...], value: Any) -> None:
        name = cast("str", path[0])
        if len(path) == 1:
            self.module.library.set(name, value)
            return
        self.module.library.set_element(name, int(path[1]), value)

    def evaluate(self, expression: str) -> Any:
        return self.get((expression.strip(),))

    def execute(self, code: str) -> None:
        name, equals, text = code.partition("=")
        if not equals:
            raise ScriptConsoleError("a native module only takes assignments, such as: alpha = 0.5")
        self.set((name.strip(),), _literal(text))

    def run_fragment(self, code: str) -> None:
        if "=" in code:
            self.execute(code)
        else:
            self.context.reporter.output(str(self.evaluate(code)))

    def interact(self, code: str, name: str) -> list[ResultRow] | None:
        if "=" in code:
            self.execute(code)
            return None
        return rows_of(self.evaluate(code))

    def candidates(self, question: Question) -> list[Candidate] | None:
        if question.place != "name":
            return []
        found = [(each.name, "function", each.signature, each.doc) for each in self.functions()]
        found += [(row.name, "variable", f": {row.type}", row.value) for row in self.module.variables()]
        return [row for row in found if row[0].startswith(question.prefix)]

    def export_state(self) -> dict[Any, Any]:
        return copy.deepcopy(self.host.state)

    def interrupt(self, reason: str) -> bool:
        return False  # native code cannot be stopped from outside; say so rather than pretend


class NativeEngine(Engine):
    """Hosts modules with the C interface of scriptconsole.h."""

    name = "native"
    suffixes: ClassVar[frozenset[str]] = frozenset({".c", ".so", ".dylib", ".scmod"})
    options: ClassVar[Mapping[str, Option]] = {
        "isolation": Option(
            "choice", "library", "What keeps the module apart: nothing, or a process.", ("library", "process")
        ),
        "cflags": Option("words", (), "Flags for the compiler."),
        "libs": Option("words", (), "Libraries to link."),
        "start": Option("flag", None, "Whether it starts as soon as it is loaded; else its manifest says."),
    }

    def create(self, source: Source, context: Context, previous: Runtime | None) -> Runtime:
        return NativeRuntime(source, context, previous)

    def files_of(self, path: Path) -> tuple[Path, ...]:
        if path.suffix != SUFFIX:
            return ()
        try:
            return read(path).files
        except ScriptConsoleError:
            return ()


def _scripts_of(context: Context) -> Mapping[str, Script]:
    offered = context.bridge.get("scripts")
    return {} if offered is None else offered()


def _native(script: Script) -> NativeRuntime | None:
    try:
        runtime = script.runtime
    except ScriptConsoleError:  # still loading, or closed
        return None
    return runtime if isinstance(runtime, NativeRuntime) else None


def manifest_of(script: Script) -> Manifest | None:
    """Its manifest, if it is a loaded component."""
    runtime = _native(script)
    return None if runtime is None else runtime.manifest


def component_of(scripts: Iterable[Script], name: str) -> NativeRuntime | None:
    """The loaded component of a name; or a native module without a manifest that has it as its alias."""
    others: list[NativeRuntime] = []
    for script in scripts:
        runtime = _native(script)
        if runtime is None:
            continue
        if runtime.manifest is not None and runtime.manifest.name == name:
            return runtime
        if runtime.manifest is None and script.alias == name:
            others.append(runtime)
    return others[0] if others else None


def dependents_of(scripts: Iterable[Script], name: str) -> list[Script]:
    """Those scripts whose manifest requires the component of that name."""
    found: list[Script] = []
    for script in scripts:
        theirs = manifest_of(script)
        if theirs is not None and any(need.name == name for need in theirs.requires):
            found.append(script)
    return found


def _literal(text: str) -> Any:
    import ast

    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise ScriptConsoleError(
            f"{text.strip()[:80]!r} is no value; write a number, a text in quotes, True, False, or a list"
        ) from None


def _tcp_send(connection: Any, payload: Any) -> None:
    connection.send(payload)


def _tcp_close(connection: Any) -> None:
    connection.close()


def _get_field(object_: Any, name: Any) -> Any:
    """A field of what a host function gave, for `ctx->host(ctx, "get", …)`."""
    return getattr(object_, _public(name))


def _call_method(object_: Any, name: Any, *args: Any) -> Any:
    """A method of it, for `ctx->host(ctx, "method", …)`; one that waits takes a callback last."""
    method = getattr(object_, _public(name))
    if isinstance(object_, HostObject) and inspect.iscoroutinefunction(method):
        if not (args and callable(args[-1])):
            raise TypeError(f"{name} waits: give a function as its last argument, to be called then")
        return object_.begin(name, *args)
    return method(*args)


def _public(name: Any) -> str:
    if not isinstance(name, str) or name.startswith("_"):
        raise AttributeError(f"{name!r} is no public name")
    return name
