"""Checks of what scripts give: tables of handlers and options, times, ports, and what is to be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from scriptnative.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping


def split_handlers(
    what: str, events: tuple[str, ...], options: tuple[str, ...], *given: Mapping[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell the handlers from the options of tables that may have both; later tables count more.

    Args:
        what: The function that was called, for messages.
        events: Names of handlers it knows.
        options: Names of options it knows.
        given: Tables, or None.

    Raises:
        TypeError: An unknown name, or a handler that is no function.
    """
    handlers: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    for table in given:
        if table is None:
            continue
        if isinstance(table, list) and not table:  # an empty table of Lua
            continue
        if not isinstance(table, dict):
            raise TypeError(f"{what}: handlers and options are a table, got {type(table).__name__}")
        for name, value in table.items():
            if value is None:
                continue
            if name in events:
                if not callable(value):
                    raise TypeError(f'{what}: the handler "{name}" must be a function, got {value!r}')
                handlers[name] = value
            elif name in options:
                settings[name] = value
            else:
                known = (*events, *options)
                hint = did_you_mean(str(name), known) or f" There are: {', '.join(known)}."
                raise TypeError(f'{what} knows no handler or option "{name}".{hint}')
    return handlers, settings


def options_of(what: str, given: Any, **defaults: Any) -> tuple[Any, ...]:
    """Values from a table of options, in the order of the defaults.

    Raises:
        TypeError: An unknown name.
    """
    _, settings = split_handlers(what, (), tuple(defaults), given)
    return tuple(settings.get(name, value) for name, value in defaults.items())


def seconds(what: str, milliseconds: Any) -> float | None:
    """A time limit that a script gave, in seconds; None for none.

    Args:
        what: The function that was called, for messages.
        milliseconds: A number, None, or a table with "timeout".
    """
    if isinstance(milliseconds, dict):
        (milliseconds,) = options_of(what, milliseconds, timeout=None)
    if milliseconds is None:
        return None
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, (int, float)):
        raise TypeError(f"{what}: timeout must be a number of milliseconds, got {milliseconds!r}")
    return max(0.0, milliseconds / 1000.0)


def port_of(what: str, port: Any, *, least: int = 0) -> int:
    """A port as a number.

    Raises:
        ValueError: It is none.
    """
    number = -1
    if isinstance(port, (int, str)) and not isinstance(port, bool):
        number = int(port) if str(port).isdecimal() else -1
    elif isinstance(port, float) and port.is_integer():
        number = int(port)
    if not least <= number <= 65535:
        raise ValueError(f"{what}: the port must be {least} to 65535, got {port!r}")
    return number


def count_of(what: str, name: str, value: Any) -> int:
    """A positive number of bytes or messages.

    Raises:
        ValueError: It is none.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value) or value < 0:
        raise ValueError(f"{what}: {name} must be a whole number, got {value!r}")
    return int(value)


def bytes_of(what: str, payload: Any) -> bytes:
    """What a script wants to send: bytes, or a str as UTF-8.

    Raises:
        TypeError: It is neither.
    """
    if type(payload) is bytes:
        return payload
    if isinstance(payload, str):
        return payload.encode()
    if isinstance(payload, (bytearray, memoryview)):
        return bytes(cast("bytearray", payload))  # a copy: the script may change its own
    raise TypeError(f"{what}: only bytes and str can be sent, got {type(payload).__name__}")
