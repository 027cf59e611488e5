"""What rehearsals come to: numbers that survive being kept, orders that came anyway, and examples that say how it ended."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from app.flows.rehearsal import Line, Run, Story
from app.flows.tally import ANYWAY, TOLD_MOST, Sale, Tally, example

T0 = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def line(step: str, state: str, *, after: timedelta = HOUR, reason: str | None = None, percent: int | None = None) -> Line:
    """A mail of the first run."""
    return Line(
        run=1, step=step, state=state, at=T0 + after, wanted_at=T0, due_at=T0, is_marketing=True, reason=reason,
        percent=percent,
    )  # fmt: skip


def story(*lines: Line, state: str = "finished", reason: str | None = None) -> Story:
    """One run with these mails."""
    run = Run(number=1, episode="t1", entered_at=T0, is_held_out=False, state=state, reason=reason, ended_at=T0 + 2 * HOUR)
    return Story(runs=[run], lines=list(lines), tags=Counter({("vip", True): 1, ("vip", False): 1}))


def test_numbers_add_up_by_step_and_reason_and_stay_the_same_when_kept():
    tally = Tally()
    tally.add(story(line("reminder", "sent"), line("coupon", "sent", percent=10)), sales=[], emptied=1)
    tally.add(story(line("reminder", "skipped", reason="ordered"), state="exited", reason="ordered"), sales=[], emptied=0)
    tally.add(story(line("reminder", "pending"), state="active"), sales=[], emptied=0)

    kept = Tally.from_json(tally.to_json())
    assert kept == tally
    assert (kept.people, kept.came_in, kept.finished, kept.going, kept.left) == (3, 3, 1, 1, {"ordered": 1})
    assert kept.mails == {"reminder": {"sent": 1, "ordered": 1, "waiting": 1}, "coupon": {"sent": 1}}
    assert (kept.sent, kept.skipped, kept.coupons, kept.emptied) == (2, {"ordered": 1}, 1, 1)
    assert kept.tags == {"vip": 3}
    assert Tally.from_json({}) == Tally()


def test_an_order_counts_once_as_having_come_anyway_and_only_soon_after_a_mail_that_would_have_gone():
    mailed = story(line("reminder", "sent"), line("coupon", "sent", after=2 * HOUR))
    times = (T0, T0 + HOUR, T0 + 3 * HOUR, T0 + 2 * HOUR + ANYWAY, T0 + 3 * HOUR + ANYWAY)
    tally = Tally()
    tally.add(mailed, sales=[Sale(at, 100, "EUR") for at in times], emptied=0)
    tally.add(story(line("reminder", "skipped", reason="ordered")), sales=[Sale(T0 + 3 * HOUR, 7, "USD")], emptied=0)

    assert (tally.anyway_orders, tally.anyway_minor) == (2, {"EUR": 200})


def test_an_example_says_how_it_ended_and_tells_it_in_the_order_of_time():
    skipped = line("reminder", "skipped", after=2 * HOUR, reason="ordered")  # in the moment in which they left
    kind, told = example(story(skipped, state="exited", reason="ordered"))

    assert kind == "not/ordered"
    assert [(entry["what"], entry["step"], entry["reason"]) for entry in told] == [
        ("entered", None, None), ("skipped", "reminder", "ordered"), ("left", None, "ordered"),
    ]  # fmt: skip
    assert example(Story()) is None
    many = example(story(*(line(f"m_{n}", "sent") for n in range(2, 40))))
    assert many is not None
    assert (many[0], len(many[1])) == ("sent/finished", TOLD_MOST)
