"""Reviews as WooCommerce lists them: the comments of a product, which no webhook tells of.

Source: the plugin's class-wc-rest-product-reviews-controller.php (release 11.1) and WordPress' class-wp-date-query.php.
"""

import html
from datetime import datetime
from typing import Annotated

import nh3
from pydantic import BeforeValidator, Field

from app.domain.events import Event, Person, ReviewDeleted, ReviewUpdated
from integrations.payloads import Body, Email, Id, Instant, Token, parse

WORDS_MOST = 2_000  # characters that are kept, as of what somebody writes beside the stars of a mail
_BODY_MOST = 65_525  # characters; a comment's column holds no more
# What waits for the shop's approval was written all the same: nobody is asked again for what they said already. All the
# other statuses (spam, trash, that of a product in the bin, and what plugins make up) are not this person's word.
_TOLD = {"approved", "hold"}
_NOTHING = nh3.Cleaner(tags=set())


def _words(value: object) -> str | None:
    """Return what a person wrote as plain text: the list holds HTML, with the paragraphs that WordPress makes."""
    if not isinstance(value, str):
        return None
    spaced = value[:_BODY_MOST].replace("</p>", "</p>\n")
    return html.unescape(_NOTHING.clean(spaced)).replace("\x00", "").strip()[:WORDS_MOST] or None


class _Review(Body):
    """The parts of a review that we read. A rating of 0 says that no stars were given."""

    id: Id
    product_id: Id
    status: Token
    reviewer_email: Email = None
    date_created_gmt: Instant
    rating: Annotated[int, Field(ge=0, le=5)] = 0
    review: Annotated[str | None, BeforeValidator(_words)] = None


def read(payload: object, *, at: datetime) -> list[Event]:
    """Translate a listed review.

    Args:
        payload: the parsed JSON.
        at: when it was seen to be gone; a review carries only the time at which it was written.

    Raises:
        BadPayload: it cannot be understood; the message names the field and no value.
    """
    body = parse(_Review, payload)
    if body.status not in _TOLD:
        return [ReviewDeleted(object_id=body.id, happened_at=at)]
    event = ReviewUpdated(
        object_id=body.id,
        happened_at=body.date_created_gmt,
        person=Person(email=body.reviewer_email),
        product_id=body.product_id,
        score=body.rating or None,
        words=body.review,
    )
    return [event]
