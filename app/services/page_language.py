"""The language that a shop's own people read our pages in."""

from sqlalchemy.orm import Session

from app.models import Shop
from app.services import audit


def change(session: Session, shop: Shop, language: str | None, *, actor: str) -> None:
    """Choose the language of a shop's pages; None leaves it to the back office around them."""
    if language == shop.page_language:
        return
    shop.page_language = language
    audit.record(
        session, shop.id, actor=actor, action="page_language.changed", object_kind="shop", object_id=shop.id,
        detail={"language": language},
    )  # fmt: skip
