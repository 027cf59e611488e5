"""Experiments: what treated and held-out people of a flow spent, counted a few times a day."""

from datetime import datetime

from sqlalchemy import BigInteger, Double, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, ShopRow


class Experiment(ShopRow, Base):
    """The sums of both groups of one flow, in the shop's currency (services/comparison.py says who counts)."""

    __tablename__ = "experiments"
    __table_args__ = (Index("uq_experiments_flow", "shop_id", "flow", unique=True),)

    flow: Mapped[str]
    currency: Mapped[str]
    treated_people: Mapped[int]
    treated_buyers: Mapped[int]
    treated_minor: Mapped[int] = mapped_column(BigInteger)
    treated_squares: Mapped[float] = mapped_column(Double)
    held_people: Mapped[int]
    held_buyers: Mapped[int]
    held_minor: Mapped[int] = mapped_column(BigInteger)
    held_squares: Mapped[float] = mapped_column(Double)
    counted_at: Mapped[datetime]
