"""Which mail an order is credited to, as a table of cases."""

from datetime import UTC, datetime, timedelta

import pytest

from app.domain.attribution import Credit, Rule, Touch, credit, kept_minor

T0 = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)


def ago(mail: int, hours: float) -> Touch:
    return Touch(mail, T0 - timedelta(hours=hours))


@pytest.mark.parametrize(
    ("codes", "clicks", "mails", "window", "expected"),
    [
        ([], [], [], 24, None),
        (["cart-ab12"], [], [], 0, Credit(9, Rule.COUPON)),
        (["CART-AB12"], [ago(1, 1)], [ago(2, 1)], 24, Credit(9, Rule.COUPON)),
        (["SUMMER"], [ago(1, 1)], [], 0, Credit(1, Rule.CLICK)),
        ([], [ago(1, 5), ago(2, 3), ago(3, 4)], [], 0, Credit(2, Rule.CLICK)),
        ([], [ago(1, 120)], [], 0, Credit(1, Rule.CLICK)),
        ([], [ago(1, 120.01)], [], 0, None),
        ([], [ago(1, -0.01)], [], 0, None),
        ([], [ago(1, 5)], [ago(2, 1)], 24, Credit(1, Rule.CLICK)),
        ([], [], [ago(2, 1), ago(3, 2)], 24, Credit(2, Rule.WINDOW)),
        ([], [], [ago(2, 25)], 24, None),
        ([], [], [ago(2, 1)], 0, None),
        ([], [ago(2, 1), ago(1, 1)], [], 0, Credit(2, Rule.CLICK)),
    ],
)
def test_credit_goes_by_coupon_then_click_then_window(codes, clicks, mails, window, expected):
    found = credit(
        T0, codes, coupons={"CART-AB12": 9}, clicks=clicks, mails=mails,
        click_span=timedelta(hours=120), window=timedelta(hours=window),
    )  # fmt: skip

    assert found == expected


@pytest.mark.parametrize(
    ("total", "refunded", "is_cancelled", "expected"),
    [(4800, 0, False, 4800), (4800, 1000, False, 3800), (4800, 4800, False, 0), (4800, 5000, False, 0), (4800, 0, True, 0)],
)
def test_an_order_is_worth_what_the_shop_kept(total, refunded, is_cancelled, expected):
    assert kept_minor(total, refunded, is_cancelled=is_cancelled) == expected
