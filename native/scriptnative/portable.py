"""Values of the standard library that cross as an equal value of the same type, such as a date or a path.

Each is immutable and holds no objects of a script, so a copy is as good as the original. All others that are no
exact built-in type cross as references.
"""

from __future__ import annotations

import sys

_TYPES: dict[str, frozenset[str]] = {
    "builtins": frozenset({"complex", "range"}),
    "datetime": frozenset({"date", "datetime", "time", "timedelta", "timezone"}),
    "decimal": frozenset({"Decimal"}),
    "fractions": frozenset({"Fraction"}),
    "pathlib": frozenset({"PosixPath", "PurePosixPath", "PureWindowsPath", "WindowsPath"}),
    "pathlib._local": frozenset({"PosixPath", "PurePosixPath", "PureWindowsPath", "WindowsPath"}),
    "uuid": frozenset({"UUID"}),
    "zoneinfo": frozenset({"ZoneInfo"}),
}
MODULES = frozenset(_TYPES)
"""Where the types are defined; the C layer asks for no others."""


def portable(value: object) -> bytes | None:
    """Bytes from which `rebuild` makes an equal value, None when it is not of these types."""
    if not _is_portable(value):
        return None
    import pickle

    return pickle.dumps(value, 5)


def _is_portable(value: object) -> bool:
    kind = type(value)
    if kind.__qualname__ not in _TYPES.get(kind.__module__, ()):
        return False
    # A script may give a class of its own any name.
    if getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is not kind:
        return False
    zone = getattr(value, "tzinfo", None)
    return zone is None or _is_portable(zone)


def rebuild(recipe: bytes) -> object:
    """The value that `portable` told."""
    import pickle

    return pickle.loads(recipe)
