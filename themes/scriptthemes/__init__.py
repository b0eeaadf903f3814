"""The colour themes and the style sheet of the console: constants only, no logic."""

from __future__ import annotations

from pathlib import Path

from textual.theme import Theme

STYLES = Path(__file__).with_name("styles.tcss")

DARK = Theme(
    name="scriptconsole-dark",
    primary="#7fa8d1",
    secondary="#8a94a6",
    accent="#8cc2b3",
    warning="#d9ad63",
    error="#e5737a",
    success="#8fb97a",
    foreground="#ccd2db",
    background="#12151a",
    surface="#171b21",
    panel="#1f242c",
    dark=True,
    variables={
        "border": "#7fa8d1",
        "border-blurred": "#2c333e",
        "block-cursor-background": "#2a3a4e",
        "block-cursor-foreground": "#f2f5f9",
        "block-cursor-blurred-background": "#1d2229",
        "block-cursor-blurred-foreground": "#ccd2db",
        "block-hover-background": "#1f2630",
        "footer-background": "#171b21",
        "footer-key-foreground": "#8cc2b3",
        "footer-description-foreground": "#97a1b0",
        "foreground-muted": "#8791a0",
        "foreground-disabled": "#5d6673",
        "input-selection-background": "#7fa8d1 35%",
        "scrollbar": "#343c48",
        "scrollbar-hover": "#46505f",
        "scrollbar-active": "#7fa8d1",
        "scrollbar-background": "#12151a",
        "scrollbar-background-hover": "#12151a",
        "scrollbar-background-active": "#12151a",
        "flash": "#3a3320",
        "flash-foreground": "#f0d59a",
        "failed-background": "#3a2024",
        "failed-foreground": "#ffc2c5",
    },
)
"""Muted blue and green on near-black; only what needs attention is warm."""

LIGHT = Theme(
    name="scriptconsole-light",
    primary="#2f6591",
    secondary="#66707f",
    accent="#1f7466",
    warning="#8a5a00",
    error="#b3262e",
    success="#3b7330",
    foreground="#262b33",
    background="#f6f6f3",
    surface="#ffffff",
    panel="#eaeae5",
    dark=False,
    variables={
        "border": "#2f6591",
        "border-blurred": "#d0d0c8",
        "block-cursor-background": "#d3e2ef",
        "block-cursor-foreground": "#10151c",
        "block-cursor-blurred-background": "#ebebe6",
        "block-cursor-blurred-foreground": "#262b33",
        "block-hover-background": "#e6ecf1",
        "footer-background": "#eaeae5",
        "footer-key-foreground": "#1f7466",
        "footer-description-foreground": "#565f6c",
        "foreground-muted": "#626b78",
        "foreground-disabled": "#9aa1ab",
        "input-selection-background": "#2f6591 25%",
        "scrollbar": "#c6c6be",
        "scrollbar-hover": "#acaca3",
        "scrollbar-active": "#2f6591",
        "scrollbar-background": "#f6f6f3",
        "scrollbar-background-hover": "#f6f6f3",
        "scrollbar-background-active": "#f6f6f3",
        "flash": "#fbefcf",
        "flash-foreground": "#6b4700",
        "failed-background": "#f9dedf",
        "failed-foreground": "#8d161e",
    },
)
"""Dark ink on warm paper, for bright rooms."""

THEMES = (DARK, LIGHT)
