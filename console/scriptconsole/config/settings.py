"""What can be set for the console: names, kinds, defaults and meanings.

The one list from which files, environment variables, `--set`, `config init` and the documentation are made.
Where values come from is the business of sources.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from scriptconsole.panes.ring import CAPACITY

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "SCRIPTCONSOLE_"
"""Of the environment variable of a setting."""
HISTORY_SIZE = 1000
"""Inputs that are kept of a project when nobody says otherwise."""


class Setting(NamedTuple):
    """One thing that can be set.

    Attributes:
        kind: "flag", "count" (a whole number), "choice" or "text".
        default: Its value when nobody sets it.
        doc: One sentence.
        choices: What a "choice" can be.
        least: Of a "count".
        most: Of a "count".
        personal: Whether a project file may not set it.
    """

    kind: str
    default: Any
    doc: str
    choices: tuple[str, ...] = ()
    least: int = 0
    most: int = 2**31
    personal: bool = False

    def check(self, value: Any) -> Any:
        """The value, when it is one.

        Raises:
            ValueError: It is none; the message says what is.
        """
        if self.kind == "flag":
            if not isinstance(value, bool):
                raise ValueError(f"must be true or false, got {value!r}")
        elif self.kind == "count":
            if isinstance(value, bool) or not isinstance(value, int) or not self.least <= value <= self.most:
                raise ValueError(f"must be {self._range()}, got {value!r}")
        elif self.kind == "choice":
            if value not in self.choices:
                from scriptengines.errors import did_you_mean

                hint = did_you_mean(value, self.choices) if isinstance(value, str) else ""
                wanted = " or ".join(map(repr, self.choices))
                raise ValueError(f"must be {wanted}, got {value!r}.{hint}".removesuffix("."))
        elif not isinstance(value, str):
            raise ValueError(f"must be a text, got {value!r}")
        return cast("Any", value)

    def _range(self) -> str:
        if self.most == 2**31:
            return f"a whole number, {self.least} or more"
        return f"a whole number from {self.least} to {self.most}"

    def parse(self, text: str) -> Any:
        """The value that an environment variable or `--set` means.

        Raises:
            ValueError: It means none.
        """
        if self.kind == "flag":
            value = _FLAGS.get(text.strip().lower())
            if value is None:
                raise ValueError(f"must be true or false, got {text!r}")
            return value
        if self.kind == "count":
            try:
                return self.check(int(text))
            except ValueError:
                raise ValueError(f"must be {self._range()}, got {text!r}") from None
        return self.check(text)


_FLAGS = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


class Settings(NamedTuple):
    """A value for each setting; what they mean is said in SETTINGS."""

    theme: str = "auto"
    frame_rate: int = 12
    watch: bool = True
    log_capacity: int = CAPACITY
    slow_call: int = 10
    restore_layout: bool = True
    history_size: int = HISTORY_SIZE
    notify: str = "off"
    clipboard: str = "auto"
    editor: str = ""


DEFAULTS = Settings()
SETTINGS: Mapping[str, Setting] = {
    "theme": Setting(
        "text",
        DEFAULTS.theme,
        "Colours: the name of a theme; auto is dark, or light where the terminal tells that its ground is.",
    ),
    "frame_rate": Setting(
        "count", DEFAULTS.frame_rate, "How many times a second the screen is brought up to date.", (), 1, 60
    ),
    "watch": Setting("flag", DEFAULTS.watch, "Whether scripts are reloaded when their files change."),
    "log_capacity": Setting(
        "count", DEFAULTS.log_capacity, "Lines the log keeps; the oldest go first.", (), 1_000, 10_000_000
    ),
    "slow_call": Setting(
        "count",
        DEFAULTS.slow_call,
        "Milliseconds from which a call is marked as slow, until another threshold is chosen.",
        least=1,
    ),
    "restore_layout": Setting(
        "flag",
        DEFAULTS.restore_layout,
        "Whether a project opens as it was left: layout, filters, watches.",
    ),
    "history_size": Setting("count", DEFAULTS.history_size, "Inputs of the REPL that a project remembers."),
    "notify": Setting(
        "choice",
        DEFAULTS.notify,
        "How to tell that a script has failed: ring the bell, notify the desktop, or both.",
        ("off", "bell", "desktop", "both"),
    ),
    "clipboard": Setting(
        "choice",
        DEFAULTS.clipboard,
        "How to copy: through the terminal (OSC 52), through a program such as xclip, or whichever works.",
        ("auto", "terminal", "program"),
    ),
    "editor": Setting(
        "text", DEFAULTS.editor, "Command that opens a file; $VISUAL or $EDITOR when empty.", personal=True
    ),
}


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + name.upper()
