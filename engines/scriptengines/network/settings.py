"""Checks of what scripts give: tables of handlers and options, times, ports, and what is to be sent.

Every message begins with `what`: the function that was called, or the option that was given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from scriptnative.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def table_of(what: str, given: Any) -> Mapping[Any, Any]:
    """A table of names; empty for None and for an empty list, which is what Lua's `{}` arrives as.

    Raises:
        TypeError: It is something else.
    """
    if given is None or given == []:
        return {}
    if not isinstance(given, dict):
        raise TypeError(f"{what} must be a table of names, got {type(given).__name__}")
    return cast("dict[Any, Any]", given)


def split_handlers(
    what: str, events: tuple[str, ...], options: Iterable[str], *given: Mapping[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell the handlers from the options of tables that may have both; later tables count more.

    Args:
        what: As above.
        events: Names of handlers it knows.
        options: Names of options it knows.
        given: Tables, or None.

    Returns:
        The handlers and the options; what is None counts as not given.

    Raises:
        TypeError: An unknown name, or a handler that is no function.
    """
    known = tuple(options)
    handlers: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    kind = "handlers and options" if events and known else "handlers" if events else "options"
    for table in given:
        for name, value in table_of(f"{what}: the {kind}", table).items():
            if name not in events and name not in known:
                one = kind.replace("handlers and options", "handler or option").removesuffix("s")
                hint = did_you_mean(str(name), (*events, *known))
                hint = hint or f" There are: {', '.join((*events, *known))}."
                raise TypeError(f'{what} has no {one} "{name}".{hint}')
            if value is None:
                continue
            if name in known:
                settings[name] = value
            elif callable(value):
                handlers[name] = value
            else:
                raise TypeError(f'{what}: the handler "{name}" must be a function, got {value!r}')
    return handlers, settings


def options_of(what: str, given: Any, known: Iterable[str]) -> dict[str, Any]:
    """The options that a script gave.

    Raises:
        TypeError: It is no table, or there is no such option.
    """
    return split_handlers(what, (), known, given)[1]


def values_of(what: str, given: Any, **defaults: Any) -> tuple[Any, ...]:
    """A value for each option, in the order of the defaults.

    Raises:
        TypeError: As of `options_of`.
    """
    settings = options_of(what, given, defaults)
    return tuple(settings.get(name, value) for name, value in defaults.items())


def seconds(what: str, milliseconds: Any) -> float | None:
    """A time that a script gave, in seconds; None for none, 0 for one that has passed.

    Args:
        what: As above.
        milliseconds: A number, None, or a table with "timeout".

    Raises:
        TypeError: It is something else.
    """
    if isinstance(milliseconds, dict):
        (milliseconds,) = values_of(what, milliseconds, timeout=None)
    if milliseconds is None:
        return None
    return max(0.0, _number(f"{what}: timeout", milliseconds) / 1000.0)


def seconds_in(what: str, options: Mapping[str, Any], name: str, default: float | None) -> float | None:
    """An option that limits a time, in seconds; None for no limit, which 0 says too.

    Raises:
        TypeError: It is no number.
        ValueError: It is negative.
    """
    given = options.get(name)
    if given is None:
        return default
    milliseconds = _number(f"{what}: {name}", given)
    if milliseconds < 0:
        raise ValueError(f"{what}: {name} must be 0 or more milliseconds, got {given!r}")
    return milliseconds / 1000.0 or None


def _number(what: str, milliseconds: Any) -> float:
    is_number = isinstance(milliseconds, (int, float)) and not isinstance(milliseconds, bool)
    if not is_number or milliseconds != milliseconds:
        raise TypeError(f"{what} must be a number of milliseconds, got {milliseconds!r}")
    return milliseconds


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
    """A number of bytes or messages.

    Raises:
        ValueError: It is no whole number, or negative.
    """
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not value >= 0 or value % 1:  # infinity % 1 is no number, which counts as true
        raise ValueError(f"{what}: {name} must be a whole number, got {value!r}")
    return int(value)


def count_in(what: str, options: Mapping[str, Any], name: str, default: int) -> int:
    """An option that is a number of bytes or messages, by `count_of`."""
    return count_of(what, name, options.get(name, default))


def bytes_of(what: str, payload: Any) -> bytes:
    """What a script wants to send: bytes, or a str as UTF-8.

    Raises:
        TypeError: It is neither.
        UnicodeEncodeError: It is a str with a lone surrogate.
    """
    if type(payload) is bytes:
        return payload
    if isinstance(payload, str):
        return payload.encode()
    if isinstance(payload, (bytes, bytearray, memoryview)):
        return bytes(cast("bytearray", payload))  # a copy: the script may change its own
    raise TypeError(f"{what}: only bytes and str can be sent, got {type(payload).__name__}")
