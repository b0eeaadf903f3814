"""Colours as measured: contrast, distance, and how they look to somebody who tells others apart.

Contrast: WCAG 2.1, definitions of relative luminance and contrast ratio.
Vision: Machado, Oliveira, Fernandes, "A Physiologically-based Model for Simulation of Color Vision
Deficiency", IEEE TVCG 15(6), 2009, doi 10.1109/TVCG.2009.113; the matrices for severity 1.0, for linear RGB.
Distance: CIE 1976 L*a*b*, D65; 2.3 is a difference just noticed.
"""

from __future__ import annotations

from textual.color import Color

type Triple = tuple[float, float, float]

NORMAL: tuple[Triple, ...] = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
PROTANOPIA: tuple[Triple, ...] = (
    (0.152286, 1.052583, -0.204868),
    (0.114503, 0.786281, 0.099216),
    (-0.003882, -0.048116, 1.051998),
)
DEUTERANOPIA: tuple[Triple, ...] = (
    (0.367322, 0.860646, -0.227968),
    (0.280085, 0.672501, 0.047413),
    (-0.011820, 0.042940, 0.968881),
)
TRITANOPIA: tuple[Triple, ...] = (
    (1.255528, -0.076749, -0.178779),
    (-0.078411, 0.930809, 0.147602),
    (0.004733, 0.691367, 0.303900),
)


def linear(color: Color) -> Triple:
    """Channels from 0 to 1, in proportion to light."""

    def channel(value: int) -> float:
        share = value / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    return channel(color.r), channel(color.g), channel(color.b)


def contrast(one: Color, other: Color) -> float:
    """From 1 to 21."""
    weights = (0.2126, 0.7152, 0.0722)
    first, second = (
        sum(weight * channel for weight, channel in zip(weights, linear(color), strict=True))
        for color in (one, other)
    )
    return (max(first, second) + 0.05) / (min(first, second) + 0.05)


def seen(color: Color, vision: tuple[Triple, ...]) -> Triple:
    """What a kind of vision makes of a colour, as linear RGB."""
    channels = linear(color)
    red, green, blue = (
        min(max(sum(factor * channel for factor, channel in zip(row, channels, strict=True)), 0.0), 1.0)
        for row in vision
    )
    return red, green, blue


def distance(one: Color, other: Color, vision: tuple[Triple, ...]) -> float:
    """How far apart two colours are for a kind of vision."""
    first, second = _lab(seen(one, vision)), _lab(seen(other, vision))
    return sum((a - b) ** 2 for a, b in zip(first, second, strict=True)) ** 0.5


def _lab(rgb: Triple) -> Triple:
    red, green, blue = rgb
    white = (0.95047, 1.0, 1.08883)
    xyz = (
        0.4124564 * red + 0.3575761 * green + 0.1804375 * blue,
        0.2126729 * red + 0.7151522 * green + 0.0721750 * blue,
        0.0193339 * red + 0.1191920 * green + 0.9503041 * blue,
    )

    def bent(share: float) -> float:
        return share ** (1 / 3) if share > 216 / 24389 else (24389 / 27 * share + 16) / 116

    x, y, z = (bent(value / most) for value, most in zip(xyz, white, strict=True))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)
