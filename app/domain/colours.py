"""Colours as `#rrggbb`: how far two are apart for the eye, and how to move one until it can be read."""

import re

READABLE = 4.5  # contrast of text, WCAG 2.2, 1.4.3 (AA)


def is_colour(text: str) -> bool:
    """Say whether this is a colour as we write it."""
    return re.fullmatch(r"#[0-9a-fA-F]{6}", text) is not None


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, 1 (none) to 21 (black on white).

    Source: WCAG 2.2, "contrast ratio".
    """
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """Return a colour between two.

    Args:
        one: where `share` 0 stays.
        other: where `share` 1 goes.
        share: 0 to 1.
    """
    parts = zip(_rgb(one), _rgb(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in parts)


def readable(colour: str, ground: str, ratio: float = READABLE) -> str:
    """Return the colour, moved towards black or white as little as is needed to be read on a ground."""
    target = on(ground)
    steps = (mix(colour, target, step / 20) for step in range(21))
    return next((moved for moved in steps if contrast(moved, ground) >= ratio), target)


def on(ground: str) -> str:
    """Return white or nearly black, whichever is read better on a ground."""
    return max("#ffffff", "#111512", key=lambda ink: contrast(ink, ground))


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(part / 255) for part in _rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
