"""What a script tells whoever watches, and what it can read about the host itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import registry
from .registry import host_function

if TYPE_CHECKING:
    from scriptengines.host import Host

LEVELS = ("debug", "info", "warning", "error")


@host_function("log")
def log(host: Host, *values: Any, level: str = "info") -> None:
    """Write a line to the console's log.

    Args:
        values: Shown as `str`, separated by a space.
        level: "debug", "info", "warning" or "error".
    """
    if level not in LEVELS:
        raise ValueError(f'no log level "{level}"; use one of {", ".join(LEVELS)}')
    host.reporter.log(level, " ".join(map(_text, values)))


@host_function("log", name="print")
def print_(host: Host, *values: Any) -> None:
    """Write a line of output, as the language's own `print` does; for languages that have none."""
    host.reporter.output(" ".join(map(_text, values)))


@host_function("log", name="help")
def help_(host: Host, name: str = "") -> str:
    """What the host offers.

    Args:
        name: Of a function, for all about it; without it, a line for each there is.

    Returns:
        The text.
    """
    del host
    if name:
        found = registry.find(name)
        return f"{found.name}{found.signature}\n\n{found.doc}"
    problems = registry.load_extensions()
    by_category: dict[str, list[str]] = {}
    for known in map(registry.find, registry.names()):
        by_category.setdefault(known.category, []).append(f"  {known.name:16} {known.summary}")
    lines = [line for category, functions in by_category.items() for line in (f"{category}:", *functions)]
    return "\n".join([*lines, *(f"not available: {problem}" for problem in problems)])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)
