"""How healthy a shop's mail was, week by week."""

from datetime import date, datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped

from app.models.base import Base, ShopRow


class HygieneWeek(ShopRow, Base):
    """The counts of one week's mails, Monday to Sunday in UTC; always counted anew, never added to."""

    __tablename__ = "hygiene_weeks"
    __table_args__ = (Index("uq_hygiene_weeks_week", "shop_id", "week_on", unique=True),)

    week_on: Mapped[date]  # its Monday
    sent: Mapped[int]
    delivered: Mapped[int]
    bounced: Mapped[int]
    soft_bounced: Mapped[int]
    complained: Mapped[int]
    unsubscribed: Mapped[int]
    verdict: Mapped[str]  # good watch bad unsure
    counted_at: Mapped[datetime]
