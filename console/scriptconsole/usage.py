"""How the command line refuses what it cannot do: in one line, on stderr, with exit status 2."""

from __future__ import annotations

import argparse
import functools
import sys
from typing import TYPE_CHECKING, Any

from .exitcodes import ExitCode

if TYPE_CHECKING:
    from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other refusal does."""

    def __init__(self, **given: Any) -> None:
        # With a width of its own argparse need not import shutil to ask for the terminal's.
        given.setdefault("formatter_class", functools.partial(argparse.HelpFormatter, width=100))
        super().__init__(allow_abbrev=False, **given)

    def error(self, message: str) -> NoReturn:
        """Refuse."""
        raise SystemExit(refuse(f"{message.removeprefix('argument ')}; see {self.prog} --help"))


def refuse(message: str) -> int:
    """Tell what is wrong.

    Returns:
        The exit status.
    """
    print(f"scriptconsole: {message}", file=sys.stderr)
    return ExitCode.USAGE
