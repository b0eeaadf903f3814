"""Whether everybody can read the themes and tell states apart."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from rich.segment import Segment
from textual.color import Color
from textual.theme import Theme

from scriptconsole.app import ScriptConsoleApp
from scriptconsole.panes.log import TONES
from scriptconsole.panes.ring import MARKS
from scriptconsole.panes.scripts import SYMBOLS
from scriptengines.view import Level, ScriptState
from scriptthemes import CONTRAST, DARK, DEUTERANOPIA, LIGHT, TERMINAL, THEMES, TRITANOPIA
from tests.console.recording import FRAME, RecordedSession
from tests.console.support import until
from tests.themes import vision

from .screens import app_with

COLORED = tuple(theme for theme in THEMES if theme is not TERMINAL)
STATES = ("foreground", "success", "warning", "error")
"""What tells states apart; `accent` and `primary` only decorate."""
APART = 20.0
"""How far state colours must be apart: eight times what is just noticed."""
TEXTS = ("foreground", "foreground-muted", "primary", "accent", "success", "warning", "error")
GROUNDS = (
    "background",
    "surface",
    "panel",
    "block-cursor-background",
    "block-cursor-blurred-background",
    "block-hover-background",
    "footer-background",
)
PAIRS = [
    *itertools.product(TEXTS, GROUNDS),
    ("foreground-disabled", "background"),
    ("foreground-disabled", "surface"),
    ("flash-foreground", "flash"),
    ("failed-foreground", "failed-background"),
    ("block-cursor-foreground", "block-cursor-background"),
    ("block-cursor-blurred-foreground", "block-cursor-blurred-background"),
    ("footer-key-foreground", "footer-background"),
    ("footer-description-foreground", "footer-background"),
]

themes = pytest.mark.parametrize("theme", COLORED, ids=lambda theme: theme.name)


def color(theme: Theme, name: str) -> Color:
    written = theme.variables.get(name) or getattr(theme, name)
    assert isinstance(written, str)
    return Color.parse(written)


def wanted(theme: Theme) -> float:
    """WCAG 2.1: 1.4.3 for all, 1.4.6 for the theme of high contrast."""
    return 7.0 if theme is CONTRAST else 4.5


@themes
def test_every_text_stands_out_from_every_ground_it_can_have(theme: Theme) -> None:
    low = {
        (text, ground): round(ratio, 2)
        for text, ground in PAIRS
        if (ratio := vision.contrast(color(theme, text), color(theme, ground))) < wanted(theme)
    }
    assert not low


@themes
def test_the_frame_of_the_focused_pane_stands_out(theme: Theme) -> None:
    """WCAG 2.1, 1.4.11: 3 to 1 for what is no text."""
    assert vision.contrast(color(theme, "border"), color(theme, "background")) >= 3
    assert vision.contrast(color(theme, "border"), color(theme, "border-blurred")) >= 2


@pytest.mark.parametrize(
    ("theme", "kind"),
    [
        *((theme, vision.NORMAL) for theme in COLORED),
        (DEUTERANOPIA, vision.DEUTERANOPIA),
        (DEUTERANOPIA, vision.PROTANOPIA),
        (TRITANOPIA, vision.TRITANOPIA),
    ],
)
def test_states_are_told_apart(theme: Theme, kind: tuple[vision.Triple, ...]) -> None:
    near = {
        (one, other): round(apart)
        for one, other in itertools.combinations(STATES, 2)
        if (apart := vision.distance(color(theme, one), color(theme, other), kind)) < APART
    }
    assert not near


def test_the_measure_finds_the_everyday_theme_wanting() -> None:
    """Green and red of the dark theme are one colour to somebody with deuteranopia."""
    apart = vision.distance(color(DARK, "success"), color(DARK, "error"), vision.DEUTERANOPIA)
    assert apart < APART


def test_known_ratios_and_sights() -> None:
    white, black, grey = Color.parse("#fff"), Color.parse("#000"), Color.parse("#777")
    assert vision.contrast(white, black) == pytest.approx(21)
    assert vision.contrast(white, grey) == pytest.approx(4.48, abs=0.01)
    for kind in (vision.PROTANOPIA, vision.DEUTERANOPIA, vision.TRITANOPIA):
        assert vision.seen(grey, kind) == pytest.approx(vision.linear(grey), abs=1e-5)
    assert vision.distance(white, black, vision.NORMAL) == pytest.approx(100, abs=0.1)


def test_all_themes_set_the_same_colours() -> None:
    for theme in COLORED:
        assert set(theme.variables) == set(DARK.variables), theme.name
    assert set(TERMINAL.variables) >= set(DARK.variables)
    assert [theme.name for theme in THEMES if theme.dark is False] == [LIGHT.name]


def test_no_state_is_told_by_colour_alone() -> None:
    assert set(SYMBOLS) == set(ScriptState)
    assert len({symbol for symbol, _ in SYMBOLS.values()}) == len(SYMBOLS)
    assert set(MARKS) == set(Level) == set(TONES)
    assert len(set(MARKS.values())) == len(MARKS)


# ---- as drawn ------------------------------------------------------------------------------------------


def drawn(segments: list[Segment]) -> Iterator[tuple[str, Color, Color]]:
    """Text with its colour and its ground; frames and scroll bars are no text."""
    for text, style, _ in segments:
        letters = "".join(each for each in text if not each.isspace() and not "─" <= each <= "▟")
        if letters and style is not None and style.color is not None and style.bgcolor is not None:
            colors = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
            yield letters, *(reversed(colors) if style.reverse else colors)


def hard_to_read(app: ScriptConsoleApp, theme: Theme) -> dict[str, object]:
    """Texts on the screen whose contrast is too low, with colours and ratio."""
    seen: dict[tuple[str, str], str] = {}
    low: dict[tuple[str, str], float] = {}
    for widget in app.screen.query("*"):
        if not widget.display or not widget.region or widget.styles.opacity < 1:
            continue
        for y in range(widget.size.height):
            for text, front, ground in drawn(list(widget.render_line(y))):
                pair = front.hex, ground.hex
                seen.setdefault(pair, text)
                ratio = vision.contrast(ground + front if front.a < 1 else front, ground)
                if ratio < wanted(theme):
                    low[pair] = round(ratio, 2)
    assert len(seen) >= 2, "nothing was drawn"
    return {seen[pair]: (pair, ratio) for pair, ratio in low.items()}


@pytest.mark.parametrize(
    "keys",
    [
        (),
        ("slash", "a", "(", "2"),
        ("5", "pageup"),
        ("c",),
        ("question_mark",),
        ("j", "enter"),
        ("ctrl+p",),
        ("o",),
        ("6",),
        ("7",),
        ("8",),
        ("0",),
        ("W",),
    ],
    ids=lambda keys: "-".join(keys) or "main",
)
async def test_everything_on_the_screen_can_be_read(keys: tuple[str, ...]) -> None:
    session = RecordedSession(FRAME)
    app = app_with(COLORED[0].name, session)
    async with app.run_test(size=(140, 44)) as pilot:
        await until(pilot, lambda: ("watch",) in session.calls)
        await pilot.press(*keys)
        for theme in COLORED:
            app.choose_theme(theme.name)
            if keys == ("ctrl+p",):  # Textual keeps the colours of a placeholder until the input is made anew
                await pilot.press("escape", *keys)
            await pilot.pause()
            assert app.theme == theme.name
            assert not hard_to_read(app, theme), theme.name
