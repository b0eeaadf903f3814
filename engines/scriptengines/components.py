"""Components: native modules with manifests, loaded in the order of what they require, and led through life.

A component is a script whose file is a manifest (`native/manifest.py`); all that a session does with scripts
works for it too. Here is what concerns several of them: order, groups, states and events.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .component import TRANSITIONS, Component, Event
from .errors import ComponentError, ConfigError, LoadError, ScriptConsoleError, UnknownScript, did_you_mean
from .native import NativeRuntime, dependents_of
from .native.manifest import SUFFIX, Manifest, in_order, read

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .session import Session


class Batch(NamedTuple):
    """What came of loading several.

    Attributes:
        loaded: In the order they were loaded.
        failed: Why the others were not, by name.
    """

    loaded: tuple[Component, ...]
    failed: Mapping[str, ScriptConsoleError]


class Components:
    """The components of a session, in order of loading.

    May be used from any thread; one change at a time.

    Args:
        session: Where they are loaded.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._mutex = threading.RLock()
        self._seconds: dict[str, float] = {}
        self._callbacks: tuple[Callable[[Event], object], ...] = ()

    # ---- which there are --------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Component]:
        for script in self._session.scripts:
            try:
                runtime = script.runtime
            except ScriptConsoleError:  # loading, or failed
                continue
            if isinstance(runtime, NativeRuntime) and runtime.manifest is not None:
                yield Component(script, self._seconds.get(script.alias, 0.0))

    def __getitem__(self, name: str) -> Component:
        known: list[str] = []
        for component in self:
            known.append(component.name)
            if component.name == name:
                return component
        raise UnknownScript(f'no component "{name}" is loaded.{did_you_mean(name, known)}')

    def group(self, name: str) -> list[Component]:
        """Those of a group.

        Raises:
            UnknownScript: None belongs to it.
        """
        found = [component for component in self if name in component.manifest.groups]
        if not found:
            known = {group for component in self for group in component.manifest.groups}
            raise UnknownScript(f'no component is in a group "{name}".{did_you_mean(name, known)}')
        return found

    # ---- loading ------------------------------------------------------------------------------------

    def load(
        self,
        *paths: str | os.PathLike[str],
        groups: Iterable[str] = (),
        start: bool = True,
        together: str = "all",
    ) -> Batch:
        """Load manifests in the order of what they require, and start them.

        Args:
            paths: Manifests, or folders of them.
            groups: Only what is in one of these groups, and what that requires; empty for all.
            start: Start each one once it is loaded.
            together: What is taken back when one fails: "all" of this call, which then raises; those of the
                same "group"; or "none". What requires a failed one is never loaded.

        Raises:
            LoadError: A requirement is missing, has the wrong version or is part of a ring; or, with "all",
                one could not be loaded.
            ConfigError: A manifest is wrong.
        """
        if together not in ("all", "group", "none"):
            raise ConfigError(f'together must be "all", "group" or "none", got {together!r}')
        with self._mutex:
            loaded = {component.name: component.runtime.version for component in self}
            manifests = _chosen(_manifests(paths), frozenset(groups))
            ordered = in_order(manifests, loaded)
            taken = [manifest.name for manifest in ordered if manifest.name in loaded]
            if taken:
                raise ConfigError(f'a component "{taken[0]}" is loaded already; reload or unload it')
            return self._load_all(ordered, start, together)

    def _load_all(self, ordered: list[Manifest], start: bool, together: str) -> Batch:
        failed: dict[str, ScriptConsoleError] = {}
        done: list[Manifest] = []
        for manifest in ordered:
            try:
                _check_others(manifest, failed, ordered if together == "group" else [])
                self._load_one(manifest, start)
                done.append(manifest)
            except ScriptConsoleError as error:
                failed[manifest.name] = error
                self._tell("failed", manifest.name, str(error))
                victims = done if together == "all" else []
                if together == "group":
                    victims = [each for each in done if set(each.groups) & set(manifest.groups)]
                for name in self._with_dependents([each.name for each in victims]):
                    self._unload(self[name])
                    failed.setdefault(name, _taken_back(name, manifest))
                done = [each for each in done if each.name not in failed]
                if together == "all":
                    raise
        return Batch(tuple(self[manifest.name] for manifest in done), failed)

    def _load_one(self, manifest: Manifest, start: bool) -> None:
        self._tell("loading", manifest.name)
        begun = time.perf_counter()
        try:
            script = self._session.load(manifest.path, alias=manifest.name, start=False)
        except ScriptConsoleError:
            # A session may keep what failed for a later reload; a batch that is taken back leaves nothing.
            if any(
                script.alias == manifest.name and script.generation == 0 for script in self._session.scripts
            ):
                self._session.unload(manifest.name)
            raise
        self._seconds[script.alias] = time.perf_counter() - begun
        self._tell("loaded", manifest.name)
        if start:
            try:
                self._act(self[manifest.name], "start")
            except ScriptConsoleError:
                self._unload(self[manifest.name])
                raise

    def reload(self, name: str) -> Component:
        """Load a component anew beside its running build, hand the state over, and switch; all or nothing.

        Raises:
            LoadError: The new build could not take over; the old one goes on.
        """
        with self._mutex:
            component = self[name]
            begun = time.perf_counter()
            try:
                self._session.reload(component.script.alias)
            except ScriptConsoleError as error:
                self._tell("failed", name, str(error))
                raise
            self._seconds[component.script.alias] = time.perf_counter() - begun
            self._tell("reloaded", name)
            return self[name]

    # ---- unloading ----------------------------------------------------------------------------------

    def unload(self, *names: str, group: str = "", cascade: bool = False) -> list[str]:
        """Unload components, each before what it requires; without a name or a group, all.

        Args:
            names: Which.
            group: All of this group as well.
            cascade: Unload what requires them too.

        Returns:
            What was unloaded, in that order.

        Raises:
            ComponentError: Others still require one of them; nothing was unloaded.
        """
        with self._mutex:
            wanted = [self[name].name for name in names]
            if group:
                wanted += [each.name for each in self.group(group) if each.name not in wanted]
            if not names and not group:
                wanted = [each.name for each in self]
            ordered = self._with_dependents(wanted)
            others = [name for name in ordered if name not in wanted]
            if others and not cascade:
                raise ComponentError(
                    f"{', '.join(wanted)} cannot be unloaded: {', '.join(others)} would lack it; "
                    "unload these first, or use cascade"
                )
            for name in ordered:
                self._unload(self[name])
            return ordered

    def _with_dependents(self, names: list[str]) -> list[str]:
        """These and all that require them, dependents first."""
        ordered: list[str] = []

        def visit(name: str) -> None:
            if name in ordered:
                return
            for script in reversed(dependents_of(self._session.scripts, name)):
                visit(Component(script, 0.0).name)
            ordered.append(name)

        for name in reversed(names):
            visit(name)
        return ordered

    def _unload(self, component: Component) -> None:
        alias, name = component.script.alias, component.name
        if component.state in TRANSITIONS["stop"][0]:
            try:
                self._act(component, "stop")
            except ScriptConsoleError as error:  # it goes all the same, and unload() is still to come
                self._tell("failed", name, str(error))
        self._session.unload(alias)
        self._seconds.pop(alias, None)
        self._tell("unloaded", name)

    # ---- the life of loaded ones ----------------------------------------------------------------------

    def start(self, *names: str, group: str = "") -> list[str]:
        """Start components, and before them what they require; without a name or a group, all that may be.

        Returns:
            What was started, in that order.

        Raises:
            ComponentError: One named is started already.
        """
        with self._mutex:
            wanted = self._wanted(names, group, "start")
            ordered: list[Component] = []
            for component in wanted:
                self._add_required(component, ordered, {each.name for each in wanted})
            return self._act_all(ordered, "start")

    def _add_required(self, component: Component, ordered: list[Component], wanted: set[str]) -> None:
        if any(each.name == component.name for each in ordered):
            return
        for need in component.manifest.requires:
            other = self[need.name]
            if other.name in wanted or other.state in TRANSITIONS["start"][0]:
                self._add_required(other, ordered, wanted)
        ordered.append(component)

    def pause(self, *names: str, group: str = "") -> list[str]:
        """Hold components back, timers and sockets included; what requires others first.

        Raises:
            ComponentError: One named does not work now.
        """
        with self._mutex:
            return self._act_all(self._dependents_first(self._wanted(names, group, "pause")), "pause")

    def resume(self, *names: str, group: str = "") -> list[str]:
        """Let paused components go on; what is required first.

        Raises:
            ComponentError: One named is not paused.
        """
        with self._mutex:
            return self._act_all(
                list(reversed(self._dependents_first(self._wanted(names, group, "resume")))), "resume"
            )

    def stop(self, *names: str, group: str = "", cascade: bool = False) -> list[str]:
        """Stop components, each before what it requires.

        Args:
            names: Which.
            group: All of this group as well.
            cascade: Stop what requires them too.

        Raises:
            ComponentError: One named does not work now, or others that work require it; nothing was stopped.
        """
        with self._mutex:
            wanted = self._wanted(names, group, "stop")
            ordered = [self[name] for name in self._with_dependents([each.name for each in wanted])]
            working = [each for each in ordered if each.state in TRANSITIONS["stop"][0]]
            names_wanted = {each.name for each in wanted}
            others = [each.name for each in working if each.name not in names_wanted]
            if others and not cascade:
                raise ComponentError(
                    f"{', '.join(sorted(names_wanted))} cannot be stopped: "
                    f"{', '.join(others)} would lack it; stop these first, or use cascade"
                )
            return self._act_all(working, "stop")

    def _wanted(self, names: tuple[str, ...], group: str, action: str) -> list[Component]:
        """What is meant; those that were named must be in a state for it, others are left out."""
        allowed = TRANSITIONS[action][0]
        named = [self[name] for name in names]
        for component in named:
            if component.state not in allowed:
                raise ComponentError(
                    f"{component.name} is {component.state} and cannot {action}: "
                    f"only one that is {' or '.join(sorted(allowed))} can",
                    file=str(component.script.path),
                )
        rest = self.group(group) if group else [] if names else list(self)
        known = {component.name for component in named}
        return [*named, *(each for each in rest if each.name not in known and each.state in allowed)]

    def _dependents_first(self, wanted: list[Component]) -> list[Component]:
        by_name = {component.name: component for component in wanted}
        return [by_name[name] for name in self._with_dependents(list(by_name)) if name in by_name]

    def _act_all(self, components: list[Component], action: str) -> list[str]:
        for component in components:
            self._act(component, action)
        return [component.name for component in components]

    def _act(self, component: Component, action: str) -> None:
        name, alias = component.name, component.script.alias
        try:
            if action == "start":
                component.runtime.start()
            elif action == "stop":
                component.runtime.stop()
                component.script.paused = False
            elif action == "pause":
                self._session.pause(alias)
            else:
                self._session.resume(alias)
        except ScriptConsoleError as error:
            self._tell("failed", name, str(error))
            raise
        self._tell(_EVENT_OF[action], name)

    # ---- events ---------------------------------------------------------------------------------------

    def subscribe(self, callback: Callable[[Event], object]) -> Callable[[], None]:
        """Call `callback(event)` for each event, on the thread that caused it.

        Returns:
            What ends the subscription.
        """
        with self._mutex:
            self._callbacks = (*self._callbacks, callback)

        def end() -> None:
            with self._mutex:
                self._callbacks = tuple(each for each in self._callbacks if each is not callback)

        return end

    def _tell(self, kind: str, name: str, detail: str = "") -> None:
        """To callbacks, to the hook component_KIND, and to the log."""
        event = Event(kind, name, time.time(), detail)
        if kind == "failed":
            self._session.note("error", f"component {name} failed: {detail}")
        elif not self._session.batch:
            self._session.note("info", f"component {name}: {kind}")
        for callback in self._callbacks:
            try:
                callback(event)
            except Exception as error:  # noqa: BLE001 - whoever watches must not disturb
                self._session.note("error", f"component callback: {type(error).__name__}: {error}")
        self._session.emit(f"component_{kind}", name, *([detail] if detail else []))


_EVENT_OF = {"start": "started", "pause": "paused", "resume": "resumed", "stop": "stopped"}


def _manifests(paths: Iterable[str | os.PathLike[str]]) -> list[Manifest]:
    files: list[Path] = []
    for path in map(Path, paths):
        found = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
        if not found:
            raise ConfigError(f"{path}: no manifest in this folder; it has no file that ends in {SUFFIX}")
        if path.suffix != SUFFIX and not path.is_dir():
            raise ConfigError(f"{path}: no manifest; components are described in files that end in {SUFFIX}")
        files += [file for file in found if file not in files]
    return [read(file) for file in files]


def _chosen(manifests: list[Manifest], groups: frozenset[str]) -> list[Manifest]:
    """Those in the groups, with what they require."""
    if not groups:
        return manifests
    for group in groups:
        if not any(group in manifest.groups for manifest in manifests):
            known = {each for manifest in manifests for each in manifest.groups}
            raise ConfigError(f'no manifest is in a group "{group}".{did_you_mean(group, known)}')
    by_name = {manifest.name: manifest for manifest in manifests}
    wanted = [manifest.name for manifest in manifests if groups & set(manifest.groups)]
    for name in wanted:  # grows while it is gone through
        if name in by_name:
            wanted += [need.name for need in by_name[name].requires if need.name not in wanted]
    return [manifest for manifest in manifests if manifest.name in wanted]


def _check_others(
    manifest: Manifest, failed: Mapping[str, ScriptConsoleError], grouped: list[Manifest]
) -> None:
    """Refuse what requires one that failed, or is in a group with one, if groups stand together."""
    for need in manifest.requires:
        if need.name in failed:
            text = f"{manifest.path}:{need.line}: {manifest.name} requires {need.name}, which was not loaded"
            raise LoadError(text, file=str(manifest.path), line=need.line) from failed[need.name]
    for other in grouped:
        shared = set(other.groups) & set(manifest.groups)
        if other.name in failed and shared:
            raise _taken_back(manifest.name, other)


def _taken_back(name: str, because: Manifest) -> LoadError:
    text = f"{name} is not loaded, because {because.name} of the same batch or group was not"
    return LoadError(text, file=str(because.path))
