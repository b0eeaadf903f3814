"""Every error of scriptconsole, and how an exception travels from one runtime to another.

`describe` turns an exception into plain values on the side where it was raised; `rebuild` makes the error
that the caller sees, with the frames of both sides in call order.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_OUR_PACKAGES = ("scriptnative", "scriptengines", "scriptconsole")


class RemoteFrame(NamedTuple):
    """One level of a call stack, of any language.

    Attributes:
        file: Path of the source file.
        line: Line from 1, 0 when unknown.
        function: Name of the function, "<module>" for top-level code.
        source: The line's text without indentation, "" when unknown.
        language: "python", "lua" or "native".
    """

    file: str
    line: int
    function: str
    source: str = ""
    language: str = "python"


class ScriptConsoleError(Exception):
    """Base of all errors this project raises.

    Attributes:
        file: Path of the script file concerned, "" when none is.
        line: Line in it, from 1; 0 when unknown.
        detail: More than the one-line message has, e.g. a compiler's whole output.
        frames: Call stack of the script side, outermost first.
    """

    def __init__(
        self,
        message: str = "",
        *,
        file: str = "",
        line: int = 0,
        detail: str = "",
        frames: Iterable[RemoteFrame] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.detail = detail
        self.frames = tuple(frames)

    def __str__(self) -> str:
        return self.message


class LoadError(ScriptConsoleError, ImportError):
    """A script could not be loaded or reloaded; the message names the file and the remedy."""

    def __str__(self) -> str:
        return self.message


class CallError(ScriptConsoleError, RuntimeError):
    """A script raised while it was called.

    Attributes:
        remote_type: Name of the exception's type in the script's runtime, e.g. "ValueError".
        remote_message: Its message.
        notes: Its notes (PEP 678).
    """

    def __init__(
        self,
        message: str = "",
        *,
        remote_type: str = "Error",
        frames: Iterable[RemoteFrame] = (),
        notes: Sequence[str] = (),
        file: str = "",
        line: int = 0,
        detail: str = "",
    ) -> None:
        text = f"{remote_type}: {message}" if message else remote_type
        super().__init__(text, file=file, line=line, detail=detail, frames=frames)
        self.remote_type = remote_type
        self.remote_message = message
        self.notes = tuple(notes)
        if self.frames and not self.file:
            self.file, self.line = self.frames[-1].file, self.frames[-1].line


class CrossingError(ScriptConsoleError, TypeError):
    """A value cannot cross; the message names the place in it, e.g. `args[0].users[3].self`."""


class CallTimeout(ScriptConsoleError, TimeoutError):
    """A call took longer than its caller allowed; the script was interrupted."""

    def __str__(self) -> str:
        return self.message


class Interrupted(ScriptConsoleError, RuntimeError):
    """The script was stopped while it ran."""


class ScriptCrashed(ScriptConsoleError, RuntimeError):
    """The process in which a script ran has ended by itself; the message says how, and the remedy."""


class ScriptKilled(Interrupted):
    """The script was to stop and did not, so the process in which it ran was killed."""


class CallCycleError(ScriptConsoleError, RuntimeError):
    """Scripts on several threads wait for each other."""


class ScriptClosed(ScriptConsoleError, RuntimeError):
    """The script was unloaded."""


class ScriptBusy(ScriptConsoleError, RuntimeError):
    """The script did not become free within the time allowed."""


class ConfigError(ScriptConsoleError, ValueError):
    """A setting, option or path given by the user is wrong."""


class ComponentError(ScriptConsoleError, RuntimeError):
    """A component is in no state for what is asked, or others require it."""


class UnknownScript(ScriptConsoleError, KeyError):
    """No script has that alias."""

    def __str__(self) -> str:
        return self.message


class UnknownFunction(ScriptConsoleError, AttributeError):
    """The script has no function of that name."""

    def __str__(self) -> str:
        return self.message


class ScriptInterrupt(BaseException):
    """Raised in a Python script to stop it; a BaseException, so that `except Exception` lets it through.

    Attributes:
        insistent: To be raised instead in a script that catches it; see stop.h.
    """

    insistent: ClassVar[type[ScriptInterrupt]]


_CODES: dict[int, type[ScriptConsoleError]] = {
    1: CrossingError,
    2: ScriptClosed,
    3: CallCycleError,
    4: ScriptBusy,
}
_STOPS = frozenset({"ScriptInterrupt", "KeyboardInterrupt"})
_BY_NAME: dict[str, type[ScriptConsoleError]] = {
    cls.__name__: cls
    for cls in (
        LoadError,
        CrossingError,
        CallTimeout,
        Interrupted,
        CallCycleError,
        ScriptClosed,
        ScriptBusy,
        ScriptCrashed,
        ScriptKilled,
        ConfigError,
        ComponentError,
        UnknownScript,
        UnknownFunction,
    )
}


def make_error(code: int, text: str) -> ScriptConsoleError:
    """The exception for an error found in C; the codes are those of interp.h."""
    return _CODES[code](text)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint such as ' Did you mean "tick"?', or "" when nothing is close."""
    import difflib

    close = difflib.get_close_matches(name, list(known), n=1)
    return f' Did you mean "{close[0]}"?' if close else ""


def _our_folders() -> tuple[str, ...]:
    files = (getattr(sys.modules.get(name), "__file__", None) for name in _OUR_PACKAGES)
    return ("<frozen ", *(os.path.dirname(file) + os.sep for file in files if file))


def spared_by_interrupts() -> tuple[str, ...]:
    """Where an insistent interrupt must not raise: in what calls the script, and hears of its end."""
    library = os.path.dirname(os.__file__) + os.sep
    files = "threading.py", "_weakrefset.py", "weakref.py"
    return (*_our_folders(), f"{library}asyncio{os.sep}", *(library + name for name in files))


def own_frames(error: BaseException) -> list[RemoteFrame]:
    """Frames of a Python exception that belong to the script, without those of this project."""
    frames: list[RemoteFrame] = []
    step = error.__traceback__
    if step is None and not isinstance(error, SyntaxError):
        return frames
    import linecache

    ours = _our_folders()
    loop = os.path.join(os.path.dirname(os.__file__), "asyncio") + os.sep
    while step is not None:  # traceback.extract_tb would find the columns too, which takes long
        code, line = step.tb_frame.f_code, step.tb_lineno or 0
        file, namespace = code.co_filename, step.tb_frame.f_globals
        step = step.tb_next
        if file.startswith(ours) or file.endswith((".pyx", ".pxi")):
            continue
        if not frames and file.startswith(loop):
            continue  # how the loop came to call the script is no business of its author
        linecache.checkcache(file)
        source = linecache.getline(file, line, namespace).strip()
        frames.append(RemoteFrame(file, line, code.co_name, source))
    if isinstance(error, SyntaxError) and error.filename:
        frames.append(RemoteFrame(error.filename, error.lineno or 0, "<module>", (error.text or "").strip()))
    return frames


def all_frames(error: BaseException) -> list[RemoteFrame]:
    """Frames on this side, then those of the runtimes the call went on into."""
    return own_frames(error) + list(getattr(error, "frames", ()))


def describe(error: BaseException, depth: int = 0) -> tuple[object, ...]:
    """Plain values that tell all about an exception.

    Args:
        error: The exception.
        depth: How many causes have been described; the chain is cut at 8.

    Returns:
        (type name, message, notes, frames, cause or None, detail), for `rebuild`.
    """
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    described = None if cause is None or depth >= 8 else describe(cause, depth + 1)
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    detail = error.detail if isinstance(error, ScriptConsoleError) else ""
    if isinstance(error, CallError):
        name, text = error.remote_type, error.remote_message
        notes = [*error.notes, *notes]
    elif isinstance(error, SyntaxError):
        name, text = type(error).__name__, error.msg or ""
    else:
        name, text = type(error).__name__, _text_of(error)
    return name, text, notes, [tuple(frame) for frame in all_frames(error)], described, detail


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:  # noqa: BLE001 - a script's own __str__ may do anything
        return f"<no message: __str__ raised {type(second).__name__}>"


def rebuild(description: tuple[Any, ...]) -> BaseException:
    """The error to raise for what `describe` told.

    Returns:
        An error of this project under its own type; `Interrupted` for a stopped script; for all others a
        `CallError`.
    """
    name, text = str(description[0]), str(description[1])
    if len(description) == 2:
        return (
            Interrupted("the script was interrupted") if name in _STOPS else CallError(text, remote_type=name)
        )
    _, _, notes, frames, cause, detail = description
    stack = [_with_source(RemoteFrame(*frame)) for frame in frames]
    if name in _STOPS:
        error: ScriptConsoleError = Interrupted(text or "the script was interrupted", frames=stack)
    elif name in _BY_NAME:
        error = _BY_NAME[name](text, frames=stack, detail=str(detail))
    else:
        error = CallError(text, remote_type=name, frames=stack, notes=list(notes), detail=str(detail))
    if stack and not error.file:
        error.file, error.line = stack[-1].file, stack[-1].line
    if isinstance(cause, tuple):
        error.__cause__ = rebuild(cast("tuple[Any, ...]", cause))
    return error


def _with_source(frame: RemoteFrame) -> RemoteFrame:
    """Native frames know file and line only."""
    if frame.source or frame.language != "native" or not frame.line:
        return frame
    import linecache

    linecache.checkcache(frame.file)
    return frame._replace(source=linecache.getline(frame.file, frame.line).strip())


def format_frames(frames: Iterable[RemoteFrame]) -> str:
    """A call stack as Python prints it, innermost last; other languages are named."""
    lines: list[str] = []
    for frame in frames:
        language = "" if frame.language == "python" else f" ({frame.language})"
        line = f", line {frame.line}" if frame.line else ""
        lines.append(f'  File "{frame.file}"{line}, in {frame.function}{language}')
        if frame.source:
            lines.append(f"    {frame.source}")
    return "\n".join(lines)


def format_error(error: BaseException) -> str:
    """The whole report of an error: causes first, frames of every language, message, notes, detail."""
    parts: list[str] = []
    if isinstance(error.__cause__, BaseException):
        parts.append(format_error(error.__cause__))
        parts.append("\nThe above exception was the direct cause of the following exception:\n")
    frames = all_frames(error)
    if frames:
        parts.append("Traceback (most recent call last):")
        parts.append(format_frames(frames))
    parts.append(
        str(error) if isinstance(error, ScriptConsoleError) else f"{type(error).__name__}: {_text_of(error)}"
    )
    notes = error.notes if isinstance(error, CallError) else getattr(error, "__notes__", ())
    parts.extend(str(note) for note in notes)
    if isinstance(error, ScriptConsoleError) and error.detail:
        parts.append(error.detail)
    return "\n".join(parts)
