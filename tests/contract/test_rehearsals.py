"""Rehearsals as rows: asked for, carried out slice by slice, stopped, bounded, forgotten; they write nothing else."""

import json
import socket
from datetime import timedelta

import pytest
import yaml
from click.testing import CliRunner
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

import jobs.housekeeping
import jobs.rehearsals
from app import clock, db
from app.cli import cli as command_line
from app.domain.errors import Refused
from app.flows import FLOWS
from app.flows.edits import with_wait
from app.flows.tally import Tally
from app.flows.vocabulary import to_json
from app.models import Base, Rehearsal, Shop
from app.services import edit_flow, erase, rehearsals, retention
from jobs.rehearsals import work_one
from tests import builders
from tests.people_cast import busy_shopper

CART = FLOWS["abandoned_cart"]
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def shop_id(house):
    """Tea & Tin with five carts of the last days, one of them bought, one emptied; its flows are off."""
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session, flow_on=False)
        now = clock.now(session)
        for n in range(5):
            at, email = now - (5 - n) * DAY, f"shopper{n}@example.com"
            body = builders.checkout_body(f"t{n}", at, email=email, quantity=0 if n == 4 else 2)
            builders.store_webhook(session, shop_id, "checkouts/update", body, key=f"c{n}")
        order = builders.order_body(1, now - 4 * DAY, token="t0", email="shopper0@example.com")
        builders.store_webhook(session, shop_id, "orders/create", order, key="o1")
        late = builders.order_body(2, now - 2 * DAY, email="shopper1@example.com")
        builders.store_webhook(session, shop_id, "orders/create", late, key="o2")
    builders.work_off()
    return shop_id


def ask(house, shop_id, flow=CART, *, days=90):
    with house.begin() as session:
        return rehearsals.ask(session, shop_id, flow, version=1, days=days, actor="test", now=clock.now(session))


def row(house, asked):
    with house() as session:
        return rehearsals.find(session, asked.shop_id, asked.id)


def carry_out(house, asked):
    jobs.rehearsals.drain()
    return row(house, asked)


def contents(house):
    """Return a sum of every table's rows."""
    with house() as session:
        names = [t.name for t in Base.metadata.sorted_tables]
        of_one = "(SELECT count(*) || coalesce(md5(string_agg(t::text, '|' ORDER BY t::text)), '') FROM {} t)"
        sums = session.execute(text("SELECT " + ", ".join(of_one.format(name) for name in names))).one()
    return dict(zip(names, sums, strict=True))


def test_a_rehearsal_says_who_would_have_come_in_and_what_they_would_have_got(house, shop_id):
    done = carry_out(house, ask(house, shop_id))

    tally = Tally.from_json(done.tally)
    assert (done.state, done.total, done.looked_at, done.whom) == ("done", 5, 5, None)
    assert (tally.people, tally.came_in, tally.emptied) == (5, 4, 1)
    assert tally.mails == {"reminder": {"sent": 4}, "coupon": {"sent": 3, "ordered": 1}}
    assert (tally.coupons, tally.left) == (3, {"ordered": 1})
    # Bought a day and two days after a mail that never went: no earnings of anybody's.
    assert (tally.anyway_orders, tally.anyway_minor) == (2, {"USD": 9600})
    assert [entry["kind"] for entry in done.examples] == ["sent/finished", "sent/finished", "sent/ordered"]


def test_a_rehearsal_writes_its_own_row_and_nothing_else_and_calls_nobody(house, shop_id, monkeypatch):
    """I14: no mail, no coupon, no tag, no run; nothing that a shop would hear of."""
    asked = ask(house, shop_id)
    before = contents(house)

    def refuse(*args, **more):
        raise AssertionError("a rehearsal calls nobody")

    monkeypatch.setattr(socket, "create_connection", refuse)
    assert carry_out(house, asked).state == "done"

    after = contents(house)
    assert {name for name in before if before[name] != after[name]} == {"rehearsals"}
    assert after["deliveries"].startswith("0")


def test_its_transaction_takes_no_write(house, shop_id):
    with house() as session:
        rehearsals.for_reading(session)
        with pytest.raises(DBAPIError, match="read-only transaction"):
            session.execute(text("UPDATE shops SET name = 'x'"))


def test_one_at_a_time_for_each_shop(house, shop_id):
    with house.begin() as session:
        other_id = builders.lamp_loft(session)[0]
    first = ask(house, shop_id)
    with pytest.raises(Refused, match="under way"):
        ask(house, shop_id, FLOWS["vip"])
    ask(house, other_id)

    assert carry_out(house, first).state == "done"
    ask(house, shop_id, FLOWS["vip"])


@pytest.mark.parametrize(
    ("flow", "days"), [("abandoned_cart", 0), ("abandoned_cart", 91), ("double_opt_in", 90), ("re_permission", 90)]
)
def test_what_cannot_be_rehearsed_is_refused_in_words(house, shop_id, flow, days):
    with pytest.raises(Refused, match="cannot be rehearsed" if days == 90 else "1 to 90 days"):
        ask(house, shop_id, FLOWS[flow], days=days)


def test_it_goes_on_slice_by_slice_and_can_be_stopped_between_two(house, shop_id, monkeypatch):
    monkeypatch.setattr(rehearsals, "SLICE", 2)
    asked = ask(house, shop_id)
    key = (asked.shop_id, asked.id)
    assert [(work_one(key).total, work_one(key).looked_at)] == [(5, 2)]

    with house.begin() as session:
        rehearsals.stop(session, *key)
    stopped = work_one(key)
    assert (stopped.state, stopped.looked_at, stopped.whom) == ("stopped", 2, None)
    assert Tally.from_json(stopped.tally).people == 2
    with house.begin() as session, pytest.raises(Refused, match="under way"):
        rehearsals.stop(session, *key)


def test_a_process_that_dies_in_a_slice_counts_nobody_twice(house, shop_id, monkeypatch):
    """I8: what was counted and how far it came are one write."""
    monkeypatch.setattr(rehearsals, "SLICE", 2)
    asked = ask(house, shop_id)
    key = (asked.shop_id, asked.id)
    work_one(key)
    work_one(key)

    def die(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as died:
        died.setattr(jobs.rehearsals.claims, "finish", die)
        with pytest.raises(KeyboardInterrupt):
            work_one(key)
    with house.begin() as session:
        session.execute(text("UPDATE rehearsals SET lease_until = now() - interval '1 second'"))

    done = carry_out(house, asked)
    assert (done.state, Tally.from_json(done.tally).people) == ("done", 5)


def test_it_looks_at_the_newest_people_only_and_says_when_there_were_more(house, shop_id, monkeypatch):
    monkeypatch.setattr(rehearsals.recall, "PEOPLE_MOST", 2)
    done = carry_out(house, ask(house, shop_id))

    assert (done.total, done.is_more, Tally.from_json(done.tally).people) == (2, True, 2)
    with house() as session:
        emails = {found.customer.email for found in rehearsals.examples(session, done)}
    assert emails == {"shopper3@example.com"}  # of the two newest, one emptied the cart


def test_it_ends_when_its_time_is_up_and_says_so(house, shop_id, monkeypatch):
    monkeypatch.setattr(rehearsals, "SLICE", 2)
    monkeypatch.setattr(rehearsals, "LONGEST", 0.0)
    done = carry_out(house, ask(house, shop_id))

    assert (done.state, done.is_late, done.looked_at) == ("done", True, 2)


def test_people_of_other_shops_and_other_times_are_not_seen(house, shop_id):
    """I10: the neighbour's cart, with the same address, is the neighbour's."""
    with house.begin() as session:
        other_id = builders.lamp_loft(session)[0]

    assert carry_out(house, ask(house, other_id)).total == 0
    assert carry_out(house, ask(house, shop_id, days=3)).total == 2  # begun two days ago and one


def test_a_shop_without_a_past_is_done_at_once(house):
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session)
    done = carry_out(house, ask(house, shop_id))

    assert (done.state, done.total, done.examples) == ("done", 0, [])


@pytest.mark.parametrize("key", [key for key in FLOWS if key != "double_opt_in"])
def test_loading_asks_the_same_number_of_questions_for_few_and_for_many(house, shop_id, key):
    def questions(customers):
        asked = []
        with house() as session:
            setting = rehearsals._setting(session, Rehearsal(shop_id=shop_id, flow=key, tree=rehearsals.to_json(FLOWS[key])))
            now = clock.now(session)
            ids = session.scalars(text("SELECT id FROM customers ORDER BY id")).all()[:customers]
            listen = (db.engine(), "before_cursor_execute", lambda *args: asked.append(args[2]))
            event.listen(*listen)
            found = rehearsals.recall.recall(session, setting, ids, since=now - 90 * DAY, until=now)
            event.remove(*listen)
        assert len(found) == customers
        return len(asked)

    assert questions(1) == questions(5) <= 22


def test_who_is_forgotten_is_in_no_rehearsal_any_more(house, shop_id):
    """I12: examples hold our ids, times and reasons; the ids go with the person."""
    done = carry_out(house, ask(house, shop_id))
    with house.begin() as session:
        who = done.examples[0]["customer_id"]
        shop = session.get_one(Shop, shop_id)
        email = session.scalar(text("SELECT email FROM customers WHERE id = :id"), {"id": who})
        erase.erase_customer(session, shop, [who], [email], now=clock.now(session))

    kept = row(house, done)
    assert who not in {entry["customer_id"] for entry in kept.examples}
    assert len(kept.examples) == len(done.examples) - 1
    assert "example.com" not in str(kept.examples) + str(kept.tally)


def test_who_is_forgotten_while_they_are_looked_at_is_not_written_back(house, shop_id, monkeypatch):
    """I12: the slice read them before, and loses what it found; it is looked at anew without them."""
    asked = ask(house, shop_id)
    key = (asked.shop_id, asked.id)
    whom = work_one(key).whom
    honest = rehearsals.rehearse

    def forget_the_first(past, setting, slice_, **period):
        found = list(honest(past, setting, slice_, **period))
        with house.begin() as session:
            email = session.scalar(text("SELECT email FROM customers WHERE id = :id"), {"id": whom[0]})
            shop = session.get_one(Shop, shop_id)
            erase.erase_customer(session, shop, [whom[0]], [email], now=clock.now(session))
        return iter(found)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(rehearsals, "rehearse", forget_the_first)
        lost = work_one(key)
    done = carry_out(house, asked)

    assert (lost.state, lost.looked_at, lost.examples) == ("pending", 0, [])
    assert (done.state, done.deaths) == ("done", 0)
    assert whom[0] not in {entry["customer_id"] for entry in done.examples}


def test_it_is_thrown_away_after_thirty_days(house, shop_id):
    done = carry_out(house, ask(house, shop_id))
    assert done.expires_at == done.until_at + 30 * DAY
    rule = next(rule for rule in retention.RULES if rule.name == "rehearsals")
    with house.begin() as session:
        assert retention.apply(session, rule) == 0
        session.execute(text("UPDATE rehearsals SET expires_at = now() - interval '1 second'"))
        assert retention.apply(session, rule) == 1


def test_a_tree_that_is_not_saved_is_what_is_played(house, shop_id):
    done = carry_out(house, ask(house, shop_id, with_wait(CART, "coupon", 60 * DAY)))

    assert "coupon" not in Tally.from_json(done.tally).mails or Tally.from_json(done.tally).coupons == 0
    with house() as session:
        assert edit_flow.current(session, shop_id, "abandoned_cart").settings.version == 1


def test_somebody_with_everything_that_can_happen_to_one_can_be_rehearsed(house):
    """Preferences, answers, replies, clicks, suppressions and mails of other flows are all read."""
    with house.begin() as session:
        shop_id = builders.tea_and_tin(session, flow_on=False)
        busy_shopper(session, shop_id, clock.now(session))
    played = [key for key, flow in FLOWS.items() if rehearsals.why_not(flow) is None]
    done = {key: carry_out(house, ask(house, shop_id, FLOWS[key])) for key in played}

    assert {rehearsal.state for rehearsal in done.values()} == {"done"}
    assert (done["abandoned_cart"].looked_at, done["post_purchase"].looked_at) == (1, 1)


def cli(*arguments, code=0):
    result = CliRunner().invoke(command_line, ["flow", "rehearse", *arguments])
    assert result.exit_code == code, result.output
    return result


def test_the_command_line_shows_how_far_it_is_and_prints_the_numbers(house, shop_id):
    told = json.loads(cli("abandoned_cart", "--json").stdout)

    assert (told["state"], told["version"], told["people"], told["came_in"], told["sent"]) == ("done", 1, 5, 4, 7)
    assert told["mails"]["coupon"] == {"sent": 3, "ordered": 1}
    assert (told["anyway_orders"], told["anyway_minor"], told["is_more"]) == (2, {"USD": 9600}, False)
    plain = cli("abandoned_cart", "--days", "3")
    assert "people: 2 of 2" in plain.stderr
    assert "1 carts were left out" in plain.stderr
    assert "example.com" not in plain.output


def test_the_command_line_plays_a_file_and_refuses_what_it_cannot(house, shop_id, tmp_path):
    file = tmp_path / "flow.yaml"
    file.write_text(yaml.safe_dump(to_json(with_wait(CART, "reminder", 3 * HOUR))))
    assert json.loads(cli("abandoned_cart", "--file", str(file), "--json").stdout)["version"] is None

    assert "holds the flow abandoned_cart, not vip" in cli("vip", "--file", str(file), code=1).stderr
    assert "cannot be rehearsed" in cli("double_opt_in", code=1).stderr
    ask(house, shop_id)
    assert "under way" in cli("abandoned_cart", code=1).stderr
    cli("abandoned_cart", "--days", "91", code=2)


def test_ctrl_c_stops_it_and_prints_what_was_counted(house, shop_id, monkeypatch):
    monkeypatch.setattr(rehearsals, "SLICE", 2)
    works = []

    def interrupted(key):
        works.append(key)
        if len(works) == 3:
            raise KeyboardInterrupt
        return work_one(key)

    monkeypatch.setattr(jobs.rehearsals, "work_one", interrupted)
    result = cli("abandoned_cart", "--json")

    assert (json.loads(result.stdout)["state"], json.loads(result.stdout)["people"]) == ("stopped", 2)


def test_housekeeping_carries_it_on(house, shop_id):
    asked = ask(house, shop_id)
    jobs.housekeeping.drain()

    assert row(house, asked).state == "done"
