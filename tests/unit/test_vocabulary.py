"""Every word of the vocabulary is the same after JSON and YAML (D8), however deep it stands; what is no flow is refused."""

import json
from typing import get_args

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.domain.errors import Refused
from app.flows import conditions as c
from app.flows import edits, read_flow
from app.flows.program import places
from app.flows.vocabulary import (
    PRIORITIES,
    SUBJECTS,
    Branch,
    Condition,
    Flow,
    Leave,
    On,
    Percent,
    Repeat,
    Send,
    Since,
    Tag,
    Wait,
    from_json,
    to_json,
    walk,
)  # fmt: skip

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,30}[a-z]", fullmatch=True)
CONDITIONS = st.recursive(
    st.builds(Condition, NAMES, st.none() | st.integers(-5, 10**9) | st.text(max_size=10)),
    lambda inner: st.builds(Condition, NAMES, st.none(), st.lists(inner, min_size=1, max_size=3).map(tuple)),
    max_leaves=4,
)
SOME = st.lists(CONDITIONS, max_size=2).map(tuple)
WAITS = st.builds(
    Wait,
    days=st.integers(0, 9), hours=st.integers(0, 99), minutes=st.integers(0, 99), seconds=st.integers(1, 99),
    since=st.sampled_from(get_args(Since)), transit_days=st.integers(0, 60),
)  # fmt: skip
SENDS = st.builds(
    Send, NAMES, st.none() | st.builds(Percent, st.integers(1, 100), st.integers(1, 8760)), st.integers(1, 720),
    st.sampled_from([None, "marketing", "transactional"]),
    st.just(()) | st.tuples(st.builds(Condition, NAMES, st.integers(1, 9))),
)  # fmt: skip
LEAVES = st.one_of(WAITS, SENDS, st.builds(Tag, NAMES.filter(lambda n: len(n) > 2), st.booleans()), st.builds(Leave, NAMES))
STEPS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Branch, CONDITIONS, st.lists(inner, max_size=2).map(tuple), st.lists(inner, max_size=2).map(tuple)),
        st.builds(Repeat, st.integers(2, 4), st.lists(inner, min_size=1, max_size=2).map(tuple)),
    ),
    max_leaves=8,
)
FLOWS = st.builds(
    Flow,
    key=NAMES, title=st.text(min_size=1, max_size=80).filter(str.strip),
    trigger=st.builds(On, st.sampled_from(list(SUBJECTS)), SOME, st.none() | st.integers(1, 999)),
    exits=SOME, message_class=st.sampled_from(["marketing", "transactional"]),
    priority=st.sampled_from(PRIORITIES), steps=st.lists(STEPS, min_size=1, max_size=5).map(tuple),
    at_end=st.just(()) | st.just((Tag("vip", is_given=False),)),
)  # fmt: skip


def is_a_flow(flow: Flow) -> bool:
    try:
        from_json(to_json(flow))
    except Refused:
        return False
    return True


@given(FLOWS.filter(is_a_flow))
def test_any_flow_is_the_same_after_json_and_yaml(flow):
    tree = to_json(flow)

    assert from_json(json.loads(json.dumps(tree))) == flow
    assert from_json(yaml.safe_load(yaml.safe_dump(tree))) == flow


@given(FLOWS.filter(is_a_flow))
def test_every_way_through_a_flow_goes_forward_to_its_end(flow):
    row = places(flow)

    assert all(n < place.after <= len(row) and n < place.otherwise <= len(row) for n, place in enumerate(row))
    keys = [place.step.key for place in row if isinstance(place.step, Send)]
    assert len(set(keys)) == len(keys)


@given(FLOWS.filter(is_a_flow))
def test_a_flow_without_branches_and_repeats_stands_where_it_is_written(flow):
    if not any(isinstance(step, Branch | Repeat) for step in flow.steps):
        assert tuple(place.step for place in places(flow)) == flow.steps
        assert [(p.after, p.otherwise) for p in places(flow)] == [(n, n) for n in range(1, len(flow.steps) + 1)]


MAIL = Send("mail")


def flow_of(*steps, when=(), exits=()) -> Flow:
    return Flow(key="f", title="F", trigger=On("customer_ordered", when=when), exits=exits, steps=steps)


@pytest.mark.parametrize(
    ("flow", "words"),
    [
        (flow_of(MAIL, MAIL), "same name"),
        (flow_of(Send("mail_2")), "which round"),
        (flow_of(Wait(hours=1)), "without a mail"),
        (flow_of(Wait(since="entered"), MAIL), "longer than nothing"),
        (flow_of(Repeat(60, (Repeat(60, (MAIL,)),))), "3600"),
        (flow_of(Repeat(2, (Branch(c.ordered(), (Repeat(2, (Branch(c.ordered(), (Repeat(2, (MAIL,)),)),)),)),))), "within"),
        (flow_of(MAIL, exits=(Condition("rainy"),)), "no condition named rainy"),
        (flow_of(MAIL, exits=(Condition("any_of"),)), "needs conditions"),
        (flow_of(MAIL, exits=(Condition("ordered", of=(c.ordered(),)),)), "takes no conditions"),
        (flow_of(MAIL, exits=(Condition("ordered", 3),)), "takes no value"),
        (flow_of(MAIL, exits=(c.spent_in_a_year(0),)), "1 or more"),
        (flow_of(MAIL, exits=(c.clicked("other"),)), "no mail named other"),
        (flow_of(Send("mail", when=(c.clicked("other"),))), "no mail named other"),
        (flow_of(MAIL, when=(c.worth_at_least(0),)), "1 or more"),
        (flow_of(MAIL, when=(Condition("in_country", "de"),)), "such as “AT DE”"),
        (flow_of(MAIL, when=(Condition("in_country", 3),)), "such as “AT DE”"),
        (flow_of(MAIL, when=(Condition("has_tag", "a,b"),)), "such as “vip”"),
        (flow_of(MAIL, when=(Condition("has_tag"),)), "such as “vip”"),
        (flow_of(MAIL, when=(c.no_longer_fits(),)), "cannot be a part of it"),
        (flow_of(Branch(c.any_of(c.any_of(c.any_of(c.any_of(c.ordered())))), (MAIL,))), "within each other"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_words(flow, words):
    with pytest.raises(Refused, match=words):
        read_flow(to_json(flow))


def test_a_wait_is_changed_where_it_stands_and_nowhere_else():
    week = Wait(days=7, since="step_before")
    tree = flow_of(week, Send("a"), Repeat(3, (week, Branch(c.ordered(), (Send("b"),), (Send("c"),)))))
    flow = from_json(to_json(tree))
    changed = edits.with_wait(flow, "c", week.length * 2)

    waits = [step.length.days for step in walk(changed.steps) if isinstance(step, Wait)]
    assert waits == [7, 14]
    assert edits.wait_before(changed, "b").since == "step_before"
