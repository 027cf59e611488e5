"""The colours of a mail, light and dark, worked out from a brand kit so that everything in it can be read."""

from dataclasses import dataclass
from functools import lru_cache

from app.domain.colours import mix, on, readable
from app.domain.mailing import Brand

_DARK_PAGE, _DARK_PAPER, _DARK_INK = "#111512", "#1b201d", "#eceee8"
_COUPON, _COUPON_EDGE, _DARK_COUPON, _DARK_COUPON_EDGE = "#fdf6e8", "#c58a2c", "#2b2517", "#b98a35"
_CONTROL = 3  # contrast of a button with what it lies on, WCAG 2.2, 1.4.11


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Colours as `#rrggbb`; those that begin with `dark_` are for dark mode."""

    accent: str
    link: str
    button: str
    on_button: str
    ink: str
    soft: str
    edge: str
    thumb: str
    thumb_ink: str
    paper: str
    page: str
    coupon: str
    coupon_edge: str
    coupon_ink: str
    dark_page: str
    dark_paper: str
    dark_ink: str
    dark_soft: str
    dark_edge: str
    dark_thumb: str
    dark_thumb_ink: str
    dark_link: str
    dark_button: str
    dark_on_button: str
    dark_coupon: str
    dark_coupon_edge: str


@lru_cache(maxsize=1024)
def look_of(brand: Brand) -> Look:
    """Work out all colours of a brand."""
    accent, ink, paper = brand.accent, brand.ink, brand.paper
    thumb, dark_thumb = mix(paper, ink, 0.08), mix(_DARK_PAPER, _DARK_INK, 0.08)
    dark_button = readable(accent, _DARK_PAPER, _CONTROL)
    return Look(
        accent=readable(accent, paper),
        link=readable(accent, paper),
        button=accent,
        on_button=on(accent),
        ink=ink,
        soft=readable(mix(ink, paper, 0.3), paper),
        edge=mix(paper, ink, 0.11),
        thumb=thumb,
        thumb_ink=readable(mix(ink, paper, 0.35), thumb),
        paper=paper,
        page=brand.page,
        coupon=_COUPON,
        coupon_edge=_COUPON_EDGE,
        coupon_ink=readable(ink, _COUPON),
        dark_page=_DARK_PAGE,
        dark_paper=_DARK_PAPER,
        dark_ink=_DARK_INK,
        dark_soft=readable(mix(_DARK_INK, _DARK_PAPER, 0.3), _DARK_PAPER),
        dark_edge=mix(_DARK_PAPER, _DARK_INK, 0.12),
        dark_thumb=dark_thumb,
        dark_thumb_ink=readable(mix(_DARK_INK, _DARK_PAPER, 0.2), dark_thumb),
        dark_link=readable(accent, _DARK_PAPER, 7),
        dark_button=dark_button,
        dark_on_button=on(dark_button),
        dark_coupon=_DARK_COUPON,
        dark_coupon_edge=_DARK_COUPON_EDGE,
    )
