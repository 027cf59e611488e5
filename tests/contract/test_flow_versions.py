"""The versions of a flow: counted, compared in words, and brought back as a new one."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select, text
from sqlalchemy.orm import Session, sessionmaker

from app.cli import cli
from app.domain.errors import Refused
from app.flows import FLOWS
from app.flows.conditions import any_of, has_email, is_first_order, orders_in_a_year, spent_in_a_year, worth_at_least
from app.flows.differences import Change, differences
from app.flows.edits import with_coupon, with_wait
from app.flows.vocabulary import Branch, On, Tag, to_json
from app.models import AuditRow, Enrollment, FlowVersion
from app.services import edit_flow, flow_versions
from tests.admin_cast import Cast, seed

CART, VIP = FLOWS["abandoned_cart"], FLOWS["vip"]
RICHER = replace(VIP.trigger, when=(has_email(), any_of(spent_in_a_year(9), orders_in_a_year(4))))
TEXT = {"subject": "Still yours", "preheader": "", "blocks": [{"type": "words", "html": "<p>Hello</p>"}]}


@pytest.fixture
def cast(house: sessionmaker[Session]) -> Cast:
    return seed(house)


def change(house: sessionmaker[Session], cast: Cast, flow, **texts) -> int:
    with house.begin() as session:
        state = edit_flow.current(session, cast.tea, "abandoned_cart")
        now = cast.now
        return edit_flow.new_version(
            session, cast.tea, state, flow, actor="merchant", now=now, texts={**state.texts, **texts}
        ).settings.version


def test_no_change_is_no_difference():
    for flow in FLOWS.values():
        assert differences(flow, flow, {}, {}) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            CART, with_wait(CART, "coupon", timedelta(hours=30)),
            [Change(what="wait", mail="coupon", before="24 h since last activity", after="30 h since last activity")],
        ),
        (
            CART, with_coupon(CART, "coupon", 15, 48),
            [Change(what="coupon", mail="coupon", before="10 %, 48 h", after="15 %, 48 h")],
        ),
        (CART, replace(CART, exits=CART.exits[:-1]), [Change(what="leaves", before="superseded")]),
        (
            VIP, replace(VIP, trigger=RICHER),
            [
                Change(what="enters", before="any_of (spent_in_a_year 50000, orders_in_a_year 4)"),
                Change(what="enters", after="any_of (spent_in_a_year 9, orders_in_a_year 4)"),
            ],
        ),
        (
            VIP, replace(VIP, trigger=replace(VIP.trigger, again_after_days=60)),
            [Change(what="again_after_days", before="30", after="60")],
        ),
        (
            CART, replace(CART, steps=(*CART.steps[:-1], replace(CART.steps[-1], when=(worth_at_least(2000),)))),
            [Change(what="only", mail="coupon", after="worth_at_least 2000")],
        ),
        (VIP, replace(VIP, steps=(Tag("loyal"), *VIP.steps[1:])), [Change(what="rest", before="…", after="…")]),
        (
            CART, replace(CART, steps=CART.steps[:2]),
            [Change(what="mail", mail="coupon", before="coupon"), Change(what="rest", before="…", after="…")],
        ),
    ],
)  # fmt: skip
def test_each_change_of_a_tree_is_told_once(before, after, expected):
    assert differences(before, after, {}, {}) == expected


def test_an_added_branch_is_told_with_its_condition():
    branched = replace(CART, steps=(*CART.steps[:-1], Branch(is_first_order(), then=CART.steps[-1:])))

    assert [(c.what, c.after) for c in differences(CART, branched, {}, {})] == [("asks", "is_first_order"), ("rest", "…")]


def test_a_text_is_compared_by_field_and_language():
    other = {"coupon": {"en": TEXT | {"subject": "Yours"}}}

    assert differences(CART, CART, {"coupon": {"en": TEXT}}, other) == [
        Change(what="subject", mail="coupon", language="en", before="Still yours", after="Yours")
    ]
    assert {(c.what, c.before) for c in differences(CART, CART, {}, other)} >= {("subject", None), ("body", None)}


def test_the_list_says_who_when_and_how_many_people_are_in_each(house, cast):
    change(house, cast, with_wait(CART, "reminder", timedelta(hours=2)))
    with house() as session:
        rows = flow_versions.listed(session, cast.tea, "abandoned_cart")
        older = flow_versions.listed(session, cast.tea, "abandoned_cart", below=2)
        of_lamp = flow_versions.listed(session, cast.lamp, "abandoned_cart")

    assert [(r.version, r.created_by, r.is_current, r.people) for r in rows] == [
        (2, "merchant", True, 0), (1, "cartwheel", False, 1),
    ]  # fmt: skip
    assert older == rows[1:]
    assert [r.version for r in of_lamp] == [1]


def test_a_restored_version_is_a_new_one_with_its_texts_and_people_keep_theirs(house, cast):
    change(house, cast, with_coupon(CART, "coupon", 15, 48), coupon={"en": TEXT})
    change(house, cast, with_coupon(CART, "coupon", 20, 24), coupon={})
    with house.begin() as session:
        state = flow_versions.restore(session, cast.tea, "abandoned_cart", 2, actor="merchant", now=cast.now)
    with house() as session:
        same = flow_versions.compare(session, cast.tea, "abandoned_cart", 2, 4)
        held = session.scalars(select(Enrollment.version).where(Enrollment.shop_id == cast.tea)).all()
        audited = session.scalars(select(AuditRow.detail).where(AuditRow.action == "flow.changed")).all()
        of_lamp = edit_flow.current(session, cast.lamp, "abandoned_cart").settings.version

    assert state.settings.version == 4
    assert state.texts["coupon"]["en"]["subject"] == "Still yours"
    assert same == []
    assert set(held) == {1}
    assert audited[-1] == {"version": 4}
    assert of_lamp == 1


def test_a_version_that_flows_no_longer_know_is_refused_in_words_and_changes_nothing(house, cast):
    tree = to_json(replace(CART, trigger=On("checkout_updated", when=(has_email(),))))
    tree["trigger"]["when"][0]["name"] = "has_fax"
    with house.begin() as session:
        session.execute(
            text("UPDATE flow_versions SET tree = CAST(:t AS jsonb) WHERE shop_id = :s AND flow = 'abandoned_cart'"),
            {"t": json.dumps(tree), "s": cast.tea},
        )
        session.execute(
            text(
                "INSERT INTO flow_versions (shop_id, flow, version, tree, created_by) "
                "VALUES (:s, 'abandoned_cart', 2, CAST(:t AS jsonb), 'merchant')"
            ),
            {"t": json.dumps(to_json(CART)), "s": cast.tea},
        )
        session.execute(
            text("UPDATE flow_settings SET version = 2 WHERE shop_id = :s AND flow = 'abandoned_cart'"), {"s": cast.tea}
        )
    with house.begin() as session, pytest.raises(Refused, match=r"Version 1 cannot be restored.*has_fax"):
        flow_versions.restore(session, cast.tea, "abandoned_cart", 1, actor="merchant", now=cast.now)
    with house() as session:
        kept = session.scalars(
            select(FlowVersion.version).where(FlowVersion.shop_id == cast.tea, FlowVersion.flow == "abandoned_cart")
        ).all()

    assert sorted(kept) == [1, 2]


def test_the_command_line_lists_compares_and_restores(house, cast):
    change(house, cast, with_coupon(CART, "coupon", 15, 48))

    def run(*words: str):
        return CliRunner().invoke(cli, ["flow", *words, "--shop", str(cast.tea), "--json"])

    listed = [json.loads(line) for line in run("versions", "abandoned_cart").stdout.splitlines()]
    [changed] = [json.loads(x) for x in run("versions", "abandoned_cart", "--compare", "1", "2").stdout.splitlines()]
    restored = json.loads(run("restore", "abandoned_cart", "1").stdout)
    unknown = run("restore", "abandoned_cart", "99")

    assert [row["version"] for row in listed] == [2, 1]
    assert (changed["what"], changed["mail"], changed["after"]) == ("coupon", "coupon", "15 %, 48 h")
    assert restored["version"] == 3
    assert unknown.exit_code == 1
    assert "no version 99. It has 1 to 3" in unknown.stderr
