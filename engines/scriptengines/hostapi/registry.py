"""The table of host functions: one decorator makes a function appear in every engine, in help and in docs.

A host function is an ordinary function that takes the Host of the asking script first. One that is
`async def` waits: a Python script awaits it, a Lua coroutine is suspended meanwhile, and with a callback as
the last argument nobody waits. Nothing is imported before a script asks for it; see MODULES.
"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any, NamedTuple

from scriptnative.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

ENTRY_POINTS = "scriptconsole.extensions"
"""Group of entry points: each names a module whose import registers host functions."""

MODULES = {
    "scriptengines.hostapi.log": ("log", "print", "help"),
    "scriptengines.hostapi.timers": ("set_timeout", "set_interval", "clear_timer", "sleep", "now"),
    "scriptengines.hostapi.scripts": ("call", "config"),
    "scriptengines.hostapi.hooks": ("on", "once", "off", "emit", "consult", "veto", "replace"),
    "scriptengines.network.tcp": ("tcp_connect", "tcp_open", "tcp_serve"),
    "scriptengines.network.udp": ("udp_open",),
    "scriptengines.network.http_client": ("http_request", "http_stream"),
    "scriptengines.network.http_server": ("http_serve",),
    "scriptengines.network.websocket": ("websocket_connect", "websocket_open"),
    "scriptengines.network.websocket_server": ("websocket_serve",),
    "scriptengines.network.mqtt": ("mqtt_connect", "mqtt_open"),
}
"""Where each of our own functions is; a test compares it with what these modules register."""

_PLACES = {name: module for module, names in MODULES.items() for name in names}


class HostFunction(NamedTuple):
    """One function of the host API.

    Attributes:
        name: By which scripts call it.
        category: Heading of the reference it belongs to, e.g. "timers".
        function: Takes the Host first.
    """

    name: str
    category: str
    function: Callable[..., Any]

    @property
    def waits(self) -> bool:
        """Whether it is `async def`."""
        return inspect.iscoroutinefunction(self.function)

    @property
    def signature(self) -> str:
        """Of what a Python script calls, e.g. "(callback, ms, *args) -> int"."""
        whole = inspect.signature(self.function)
        kept = [
            each.replace(annotation=_written(each.annotation)) for each in list(whole.parameters.values())[1:]
        ]
        return str(whole.replace(parameters=kept, return_annotation=_written(whole.return_annotation)))

    @property
    def doc(self) -> str:
        """Its documentation, without indentation."""
        return inspect.getdoc(self.function) or ""

    @property
    def summary(self) -> str:
        """The first line of it."""
        return self.doc.partition("\n")[0]


class _Written:
    """An annotation that is shown as it was written, not as a str."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


_registered: dict[str, HostFunction] = {}
_extensions_loaded = False


def _written(annotation: Any) -> Any:
    return _Written(annotation) if isinstance(annotation, str) else annotation


def host_function[F: Callable[..., Any]](category: str, *, name: str = "") -> Callable[[F], F]:
    """Offer a function to scripts of all engines.

    Args:
        category: Heading of the reference it belongs to.
        name: By which scripts call it; that of the function by default.

    Raises:
        ValueError: Another module offers one of that name.
    """

    def register(function: F) -> F:
        known = name or function.__name__
        other = _registered.get(known)
        owner = _PLACES.get(known) if other is None else other.function.__module__
        if owner not in (None, function.__module__):
            raise ValueError(f'{function.__module__} offers "{known}" to scripts, and so does {owner}')
        _registered[known] = HostFunction(known, category, function)
        return function

    return register


def find(name: str) -> HostFunction:
    """The host function of a name.

    Raises:
        AttributeError: There is none.
    """
    if name not in _registered:
        if name in _PLACES:
            importlib.import_module(_PLACES[name])
        elif not name.startswith("_"):
            load_extensions()
    if name not in _registered:
        raise AttributeError(f'the host has no function "{name}".{did_you_mean(name, names())}')
    return _registered[name]


def names() -> list[str]:
    """All there are, ours first; imports nothing of ours."""
    load_extensions()
    return [*_PLACES, *(name for name in _registered if name not in _PLACES)]


def load_extensions() -> list[str]:
    """Import what other packages offer under ENTRY_POINTS; once.

    Returns:
        What could not be imported, and why.
    """
    global _extensions_loaded
    if _extensions_loaded:
        return []
    _extensions_loaded = True
    from importlib.metadata import entry_points

    failures: list[str] = []
    for entry in entry_points(group=ENTRY_POINTS):
        try:
            entry.load()
        except Exception as error:  # noqa: BLE001 - somebody else's package; the rest works without it
            failures.append(f"{entry.name} ({entry.value}): {type(error).__name__}: {error}")
    return failures
