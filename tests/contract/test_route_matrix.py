"""Who comes in at each door of the admin and of the desk: read from the routes, so a new one is covered."""

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.routing import IntegerConverter, Rule

from app.models import AuditRow, Role
from app.services import signin, staff
from app.web.guards import Guard
from tests.admin_cast import seed

FILLED = {True: 1, False: "x"}  # for a number in an address, and for anything else


@pytest.fixture
def cast(house):
    return seed(house)


@pytest.fixture
def app(house, cast):
    from app.web import create_app

    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    return app


def doors(app: Flask, guard: Guard) -> Iterator[tuple[str, str, Role | None]]:
    """Yield method, address and needed role of each door of this class."""
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        if getattr(view, "guard", None) is guard:
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                yield method, address(app, rule), getattr(view, "role", None)


def address(app: Flask, rule: Rule) -> str:
    values = {name: FILLED[isinstance(rule._converters[name], IntegerConverter)] for name in rule.arguments}
    return app.url_map.bind("localhost").build(rule.endpoint, values, append_unknown=False)


def is_out(answer) -> bool:
    return answer.status_code == 401 or (answer.status_code == 302 and answer.location.endswith("/signed-out"))


def of_staff(house, app, role: Role):
    with house.begin() as session:
        token = staff.invite(session, f"{role}@example.com", role, actor="test", now=signin.real_now(session))
    client = app.test_client()
    assert client.post(f"/support/sign-in/{token}").status_code == 303
    return client


def of_merchant(app, shop_id: int):
    client = app.test_client()
    with client.session_transaction() as session:
        session.update(shop_ids=[shop_id], shop_id=shop_id)
    return client


def test_no_door_of_the_admin_opens_to_a_stranger_or_to_our_own_staff(house, app):
    """I10: a merchant's door opens with a merchant's session only, whatever the method."""
    found = list(doors(app, Guard.MERCHANT))
    assert len(found) > 20

    for client in (app.test_client(), of_staff(house, app, Role.ADMIN)):
        assert [d for d in found if not is_out(client.open(d[1], method=d[0]))] == []


def test_no_door_of_the_desk_opens_to_a_stranger_or_to_a_merchant(house, app, cast):
    """I10: a door of the desk opens to our own staff only, whatever the method."""
    found = list(doors(app, Guard.STAFF))
    assert len(found) > 10

    for client in (app.test_client(), of_merchant(app, cast.tea)):
        assert [d for d in found if not is_out(client.open(d[1], method=d[0]))] == []


@pytest.mark.parametrize("role", [Role.VIEWER, Role.SUPPORT])
def test_a_door_of_the_desk_is_shut_to_a_role_below_the_one_it_declares(house, app, role):
    """I10: the answer is 403, and nothing is done, which would leave a trace."""
    client = of_staff(house, app, role)
    above = [d for d in doors(app, Guard.STAFF) if d[2] and not role.includes(d[2])]
    assert above
    with house() as session:
        before = session.scalar(select(func.count()).select_from(AuditRow))

    assert [d for d in above if client.open(d[1], method=d[0]).status_code != 403] == []
    with house() as session:
        assert session.scalar(select(func.count()).select_from(AuditRow)) == before
