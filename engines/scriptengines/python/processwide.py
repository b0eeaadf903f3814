"""What belongs to the whole process although a script changes it as if it were its own.

The current folder, environment variables, the umask, the locale: a script may change them, since many do and
some libraries do for a moment; when it leaves they are put back, and its log says so. An audit hook hears of
the first two, and of new sockets; hooks cannot be removed, so there is one in each interpreter that asks who
is concerned.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from scriptengines.confinement import EVENTS as FILE_EVENTS
from scriptengines.sockets import OwnSockets

if TYPE_CHECKING:
    from scriptengines.confinement import Confinement
    from scriptengines.reports import Reporter

_quiet = False


def own_process() -> None:
    """The process is the only script's: it may change what it likes, and nothing is told or put back."""
    global _quiet
    _quiet = True


class _Change(NamedTuple):
    """Something that a script has set."""

    before: Any
    read: Callable[[], Any]
    write: Callable[[Any], object]


class ProcessWatch:
    """What one script has changed.

    Args:
        reporter: Of the script.
        next_id: Numbers its sockets.

    Attributes:
        tainted: What it has done to its interpreter that cannot be undone.
        confinement: To which files it is confined.
        sockets: Those it has made.
    """

    def __init__(self, reporter: Reporter, next_id: Callable[[], int]) -> None:
        self._reporter = reporter
        self._next_id = next_id
        self.sockets = OwnSockets()
        self._changes: dict[str, _Change] = {}
        self.tainted = ""
        self.confinement: Confinement | None = None

    def heard(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit event of the script's interpreter, before it takes effect."""
        if self.confinement is not None and event in FILE_EVENTS:
            self.confinement.heard(event, args)
        if event == "socket.__new__":
            self.sockets.heard(args, self._next_id)
        elif event == "sys.addaudithook":
            self.tainted = "an audit hook"
        elif event == "os.chdir":
            self._note("the current folder", os.getcwd, os.chdir)
        elif event in ("os.putenv", "os.unsetenv"):
            name = os.fsdecode(args[0])
            self._note(name, lambda: os.environ.get(name), lambda value: _set_variable(name, value))
        elif event == "resource.setrlimit":
            self._note("resource limits, which stay", lambda: None, lambda _: None, before="unknown")

    def setting_umask(self) -> None:
        """The script is about to call os.umask."""
        self._note("the umask", _umask, _real_umask)

    def setting_locale(self, category: int) -> None:
        """The script is about to call locale.setlocale."""
        import _locale

        self._note(
            f"the locale ({category})",
            lambda: _locale.setlocale(category),
            lambda value: _locale.setlocale(category, value),
        )

    def _note(
        self, what: str, read: Callable[[], Any], write: Callable[[Any], object], before: Any = None
    ) -> None:
        if _quiet or what in self._changes:
            return
        with contextlib.suppress(OSError):
            self._changes[what] = _Change(read() if before is None else before, read, write)

    def restore(self) -> None:
        """Put back what is still changed; the script has ended."""
        self.confinement = None
        changes, self._changes = self._changes, {}
        changed: list[str] = []
        for what, change in changes.items():
            with contextlib.suppress(OSError, ValueError):  # the folder may be gone
                if change.read() != change.before:
                    changed.append(what)
                    change.write(change.before)
        if changed:
            self._reporter.log(
                "warning", f"had changed what the whole process has, now put back: {', '.join(changed)}"
            )


def _umask() -> int:
    before = _real_umask(0o077)
    _real_umask(before)
    return before


_real_umask = os.umask


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
        os.unsetenv(name)
    else:
        os.environ[name] = value


_EVENTS = frozenset(
    {
        "sys.addaudithook",
        "os.chdir",
        "os.putenv",
        "os.unsetenv",
        "resource.setrlimit",
        "socket.__new__",
    }
)
_chosen: Callable[[], ProcessWatch | None] | None = None


def listen(choose: Callable[[], ProcessWatch | None]) -> None:
    """Tell the watch of whoever is concerned, from now on; a later call only changes `choose`."""
    global _chosen
    first, _chosen = _chosen is None, choose
    if first:
        sys.addaudithook(_hear)


def _hear(event: str, args: tuple[Any, ...]) -> None:
    if (event in _EVENTS or event in FILE_EVENTS) and _chosen is not None:
        watch = _chosen()
        if watch is not None:
            watch.heard(event, args)


def watch_calls(watch: ProcessWatch, give: Callable[[str, str, Any], None]) -> None:
    """Watch what raises no audit event.

    Args:
        watch: Of the script.
        give: Called with module, name and function: what the script finds there.
    """
    import locale

    umask, setlocale = os.umask, locale.setlocale

    def watched_umask(mask: int, /) -> int:
        watch.setting_umask()
        return umask(mask)

    def watched_setlocale(category: int, locale: Any = None) -> str:
        if locale is not None:
            watch.setting_locale(category)
        return setlocale(category, locale)

    give("os", "umask", watched_umask)
    give("locale", "setlocale", watched_setlocale)
