"""What a command line asks to be run, in order: script files, and fragments of code between them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scriptengines.engine import Part
from scriptengines.errors import ConfigError

from .scripts import expand

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FRAGMENT_SUFFIXES = {"lua": ".lua", "python": ".py"}


class Fragment(NamedTuple):
    """Code that stands on the command line itself."""

    code: str


class Step(NamedTuple):
    """One thing to load, or a fragment to run in what was loaded before it.

    Attributes:
        path: A script; of a fragment that comes before all scripts, a name for it.
        text: The fragment.
        parts: What shares the script's state.
    """

    path: Path | None
    text: str | None = None
    parts: tuple[Part, ...] = ()


def plan(given: Iterable[str | Fragment], *, language: str, shared: bool) -> list[Step]:
    """The steps of a command line.

    Args:
        given: Paths and fragments, in order.
        language: Of fragments before the first script: a key of FRAGMENT_SUFFIXES.
        shared: Whether all Lua scripts and fragments are to share their globals.

    Raises:
        ConfigError: A path is wrong.
    """
    steps: list[Step] = []
    for item in given:
        if isinstance(item, Fragment):
            first = not any(step.path for step in steps)
            path = Path(f"fragment{FRAGMENT_SUFFIXES[language]}").absolute() if first else None
            steps.append(Step(path, item.code))
        else:
            steps.extend(Step(path) for path in expand([item]))
    return _shared(steps) if shared else steps


def _shared(steps: Sequence[Step]) -> list[Step]:
    """The same with all of Lua in one script; what is not Lua comes before it, in its order."""
    ours = [step for step in steps if step.path is None or step.path.suffix == ".lua"]
    others = [step for step in steps if step not in ours]
    if not ours:
        raise ConfigError("--shared-state is for Lua scripts, and there is none; leave it out")
    first, *rest = ours
    parts = [Part(None if step.text is not None else step.path, (step.text or "").encode()) for step in rest]
    if first.text is not None:  # as a part its result is printed
        parts.insert(0, Part(None, first.text.encode()))
        first = first._replace(text="")
    return [*others, first._replace(parts=tuple(parts))]
