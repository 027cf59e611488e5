"""What a shop sells most of, for mails that are about no cart and no order."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.domain.events import Line
from app.models import OrderLine, Product

LATELY = 500  # lines of orders; sorting through all of a large shop's would take seconds
MOST = 4


def of_shop(session: Session, shop_id: int) -> tuple[Line, ...]:
    """Return what was in most of the shop's last orders and can be bought; of a shop without orders what came new."""
    lately = (
        select(OrderLine.product_id)
        .where(OrderLine.shop_id == shop_id)
        .order_by(OrderLine.id.desc())
        .limit(LATELY)
        .subquery()
    )
    sold = select(lately.c.product_id, func.count().label("times")).group_by(lately.c.product_id).subquery()
    rows = session.scalars(
        select(Product)
        .outerjoin(sold, sold.c.product_id == Product.external_id)
        .where(
            Product.shop_id == shop_id, Product.is_available, Product.deleted_at.is_(None), Product.price_minor.is_not(None)
        )
        .order_by(func.coalesce(sold.c.times, 0).desc(), Product.id.desc())
        .limit(MOST)
    )
    return tuple(
        Line(
            title=product.title,
            quantity=1,
            price_minor=product.price_minor or 0,
            product_id=product.external_id,
            image_url=product.image_url,
            url=product.url,
        )
        for product in rows
    )
