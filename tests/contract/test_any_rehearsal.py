"""Whatever happens in a shop, and in whatever order: a rehearsal of it says what the flow truly did.

Each drawn story is told to twin shops (tests/rehearsal_cast.py). What a rehearsal cannot know is not drawn: carts that end
empty, messages that come late, and what docs/rehearsal.md lists beside them.
"""

import os
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from app.domain.events import ConsentState
from integrations import PLATFORMS
from tests.rehearsal_cast import PEOPLE, T0, Twins

STORIES = int(os.environ.get("TEST_REHEARSALS", "3"))  # of each flow and platform; see docs/testing.md
FLOWS = ("abandoned_cart", "post_purchase", "review_request", "vip", "welcome")
LONGEST = 12
MINUTE = timedelta(minutes=1)

WHO = st.sampled_from(sorted(PEOPLE))
NUMBER = st.integers(1, 3)
AGREES = st.sampled_from([True, True, False])
# Some waits end in the very minute in which a mail is due.
WAIT = st.sampled_from([1, 20, 60, 61, 300, 1440, 1440, 1500, 3 * 1440, 8 * 1440, 19 * 1440, 31 * 1440])
STATE = st.sampled_from(["placed", "placed", "sent off", "refunded", "some back", "cancelled"])
SAYS = st.sampled_from([ConsentState.SUBSCRIBED, ConsentState.UNSUBSCRIBED])


def act(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.tuples(st.just(name), st.tuples(*arguments))


CART = act("cart", WHO, NUMBER, AGREES)
ORDER = act("order", WHO, NUMBER, STATE, st.sampled_from([None, 1, 2]), AGREES, st.sampled_from(["48.00", "300.00"]))
STEP = st.one_of(
    CART, CART, ORDER, ORDER, ORDER, act("drop", WHO, NUMBER), act("say", WHO, SAYS), act("wait", WAIT), act("wait", WAIT),
    act("wait", WAIT),
)  # fmt: skip
SHOP = st.tuples(st.sampled_from([None, None, [[24, 1]], [[24, 1], [168, 2]]]), st.booleans())
STORY = st.tuples(SHOP, st.one_of(CART, ORDER), st.lists(STEP, min_size=3, max_size=LONGEST))


class Teller:
    """Tells twins what was drawn, in an order that a platform could tell."""

    def __init__(self, twins: Twins) -> None:
        self.twins, self.carts, self.orders = twins, {}, {}

    def cart(self, who: str, n: int, agrees: bool) -> None:
        """A cart is begun or changed; of one moment there is one state."""
        name = f"{who}-{n}"
        started_at = self.carts.setdefault(name, self.twins.now)
        self.twins.cart(name, who=who, consents=agrees, started_at=started_at)
        self.twins.wait(seconds=1)

    def drop(self, who: str, n: int) -> None:
        """A cart is deleted."""
        if f"{who}-{n}" in self.carts:
            self.twins.drop(f"{who}-{n}")
            self.twins.wait(seconds=1)

    def order(self, who: str, n: int, state: str, cart: int | None, agrees: bool, total: str) -> None:
        """Somebody buys, or their order goes on: what it has become it stays."""
        number = 100 * PEOPLE[who] + n
        told = self.orders.setdefault(number, {"placed_at": self.twins.now, "total": total, "consents": agrees})
        if "cancelled" in told or ("refunded" in told and self.twins.platform == "woocommerce"):
            return  # told again, these would have happened anew: WooCommerce gives them no time of their own
        if f"{who}-{cart}" in self.carts:
            told.setdefault("token", f"{who}-{cart}")
        if state == "sent off":
            told.setdefault("sent_off_at", self.twins.now)
        if state == "cancelled":
            told["cancelled"] = True
        if state in {"refunded", "some back"} and "refunded" not in told:
            told["refunded"], told["refunded_at"] = told["total"] if state == "refunded" else "20.00", self.twins.now
        self.twins.order(number, who=who, **told)
        self.twins.wait(seconds=1)

    def say(self, who: str, state: ConsentState) -> None:
        """Somebody says yes or no by a page of ours."""
        self.twins.say(state, who=who)
        self.twins.wait(seconds=1)

    def wait(self, minutes: int) -> None:
        """Time passes, to a full minute, in which mails fall due."""
        late = (self.twins.now - T0) % MINUTE
        self.twins.wait(seconds=(minutes * MINUTE - late).total_seconds())


@pytest.fixture(autouse=True)
def shops_that_take_everything(monkeypatch):
    for platform in PLATFORMS.values():
        monkeypatch.setattr(platform, "mint_coupon", lambda access, spec: f"id-{spec.code}")
        monkeypatch.setattr(platform, "tag_customer", lambda *args, **more: None)


@pytest.mark.timeout(120 + STORIES * 60)
@pytest.mark.parametrize("platform", sorted(PLATFORMS))
@pytest.mark.parametrize("flow", FLOWS)
def test_no_story_is_rehearsed_otherwise_than_it_happens(house, platform, flow):
    @seed(len(flow))
    @settings(
        max_examples=STORIES, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip
    @given(STORY)
    def play(story):
        (caps, is_night), first, rest = story
        twins = Twins(house, platform, flow, is_first=False)
        twins.set_pace(caps, is_night=is_night)
        teller = Teller(twins)
        for name, arguments in [first, *rest, ("wait", (25 * 1440,))]:
            getattr(teller, name)(*arguments)

        assert twins.rehearsed() == twins.happened()

    play()
