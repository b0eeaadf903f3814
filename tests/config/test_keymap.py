"""Keys of the user's choice: how they are written, which actions there are, and what must not clash."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.binding import BindingsMap

from scriptconsole.actions import PaneName, bindings
from scriptconsole.config.keymap import KeyNameError, check, read_key
from scriptconsole.config.sources import Bound, Origin
from scriptconsole.registry import EVERY_ACTION, REGISTRY
from scriptengines.errors import ConfigError


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("r", "r"),
        ("R", "R"),
        ("é", "é"),
        ("?", "question_mark"),
        ("/", "slash"),
        ("+", "plus"),
        ("-", "minus"),
        (",", "comma"),
        (" ", "space"),
        ("space", "space"),
        ("F5", "f5"),
        ("esc", "escape"),
        ("PgDn", "pagedown"),
        ("question_mark", "question_mark"),
        ("ctrl+r", "ctrl+r"),
        ("Ctrl+PgUp", "ctrl+pageup"),
        ("shift+f5", "shift+f5"),
        ("shift+alt+up", "alt+shift+up"),
        ("ctrl++", "ctrl+plus"),
    ],
)
def test_keys_are_written_as_people_do(written: str, key: str) -> None:
    assert read_key(written) == key


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("", "a key must not be empty"),
        ("ctlr+r", 'Did you mean "ctrl"?'),
        ("pagedwon", 'Did you mean "pagedown"?'),
        ("xyzzy", 'there is no key "xyzzy". Write it as in'),
        ("hello+r", '"hello" in "hello+r" is no modifier'),
        ("shift+r", 'arrives as "R"; write that'),
    ],
)
def test_what_is_no_key_is_refused(written: str, message: str) -> None:
    with pytest.raises(KeyNameError) as caught:
        read_key(written)
    assert message in str(caught.value)


def test_our_own_keys_have_the_names_that_a_user_would_write() -> None:
    for action in EVERY_ACTION:
        assert tuple(map(read_key, action.keys)) == action.keys


def keymap(tmp_path: Path, **keys: tuple[str, ...] | str) -> dict[str, tuple[str, ...]]:
    """Check keys that stand in a file, one action a line; "." in ids is written "_"."""
    file = tmp_path / "config.toml"
    names = [name.replace("__", ".") for name in keys]
    file.write_text("[keys]\n" + "".join(f'"{name}" = []\n' for name in names))
    bound = {
        name: Bound((value,) if isinstance(value, str) else value, Origin("user", file, ("keys", name)))
        for name, value in zip(names, keys.values(), strict=True)
    }
    return check(bound, EVERY_ACTION)


def test_keys_are_checked_and_named_as_textual_does(tmp_path: Path) -> None:
    assert keymap(tmp_path, script__reload=("F5", "f5", "ctrl+r"), help=()) == {
        "script.reload": ("f5", "ctrl+r"),
        "help": (),
    }


@pytest.mark.parametrize(
    ("keys", "line", "message"),
    [
        ({"script__relod": "f5"}, 2, 'there is no action "script.relod". Did you mean "script.reload"?'),
        ({"zzz": "f5"}, 2, "`scriptconsole config actions` lists them"),
        ({"help": "f5", "sort": "ctlr+s"}, 3, 'Did you mean "ctrl"?'),
        ({"script__reload": "c"}, 2, 'c would mean both "script.reload" (Reload the'),
        ({"script__reload": "c"}, 2, '"script.call" (Call a function'),
        ({"help": "f5", "script__reload": "j"}, 3, '"move.down" (Next row)'),
        ({"help": "f5", "quit": "f5"}, 2, 'f5 would mean both "'),
        ({"timer__cancel": "r"}, 2, " in timers; give one of them another key"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(
    tmp_path: Path, keys: dict[str, str], line: int, message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        keymap(tmp_path, **keys)
    assert message in str(caught.value)
    assert caught.value.line == line


def test_a_key_is_free_when_its_action_gave_it_away(tmp_path: Path) -> None:
    assert keymap(tmp_path, script__reload="c", script__call="r") == {
        "script.reload": ("c",),
        "script.call": ("r",),
    }
    assert keymap(tmp_path, script__reload="c", script__call=())["script.reload"] == ("c",)


def test_actions_of_different_panes_may_share_a_key(tmp_path: Path) -> None:
    assert keymap(tmp_path, timer__cancel="ctrl+x", connection__close="ctrl+x")


def test_our_own_keys_do_not_clash() -> None:
    for pane in PaneName:
        taken = [key for action in EVERY_ACTION if pane in action.scope for key in action.keys]
        twice = {key for key in taken if taken.count(key) > 1}
        assert not twice, pane


def test_bindings_of_a_widget_are_changed_without_touching_others() -> None:
    chosen = {"timer.cancel": ("f9",), "help": ()}
    registry = REGISTRY.with_keys(chosen)
    held = BindingsMap([*bindings(REGISTRY.actions)])
    found = registry.rebound(held)
    ids = {key: {binding.id for binding in each} for key, each in found.key_to_bindings.items()}
    assert ids["f9"] == {"timer.cancel"}
    assert ids["x"] >= {"connection.close"}
    assert "timer.cancel" not in ids["x"]
    assert "question_mark" not in ids
    assert {binding.id for _, binding in found} == {binding.id for _, binding in held} - {"help"}
