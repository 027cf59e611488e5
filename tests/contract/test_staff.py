"""Staff: invited by a link that works once, seen in what they do, shut out at once."""

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import func, select

from app.cli import cli
from app.domain.errors import Refused
from app.models import AuditRow, Role, SignInLink, Staff
from app.services import signin, staff


def invited(house, email: str = "ida@example.com", role: Role = Role.SUPPORT) -> str:
    with house.begin() as session:
        return staff.invite(session, email, role, actor="cli:root", now=signin.real_now(session))


def enter(house, token: str, *, later: timedelta = timedelta(0)):
    with house.begin() as session:
        return staff.enter(session, token, now=signin.real_now(session) + later)


def test_a_link_lets_in_once_and_is_kept_as_a_hash(house):
    token = invited(house)

    first, again = enter(house, token), enter(house, token)
    assert (first.email, first.role, again) == ("ida@example.com", "support", None)
    with house() as session:
        assert token not in str(session.scalars(select(SignInLink.token_hash)).all())
        assert "session.started" in session.scalars(select(AuditRow.action)).all()


def test_a_link_lives_for_a_day(house):
    assert enter(house, invited(house), later=timedelta(hours=25)) is None


def test_inviting_again_changes_the_role_and_makes_nobody_twice(house):
    invited(house)
    invited(house, role=Role.ADMIN)

    with house() as session:
        assert session.execute(select(Staff.email, Staff.role)).all() == [("ida@example.com", "admin")]


def test_who_was_shut_out_does_not_come_in_and_the_last_admin_stays(house):
    invited(house, "only@example.com", Role.ADMIN)
    token = invited(house)
    with house.begin() as session:
        admin, ida = session.scalars(select(Staff).order_by(Staff.id)).all()
        staff.disable(session, ida.id, actor="staff:1", now=signin.real_now(session))

    assert enter(house, token) is None
    with house.begin() as session, pytest.raises(Refused, match="only admin"):
        staff.disable(session, admin.id, actor="staff:1", now=signin.real_now(session))


def test_links_of_staff_and_of_merchants_open_one_door_each(house):
    """I10: a staff link signs nobody in as a merchant, nor the other way round."""
    of_staff = invited(house)
    with house.begin() as session:
        now = signin.real_now(session)
        of_merchant = signin.create_link(session, [1], now=now, lifetime=timedelta(hours=1))

    with house.begin() as session:
        assert signin.consume(session, of_staff, now=now) is None
        assert staff.enter(session, of_merchant, now=now) is None
        assert not signin.is_open(session, of_staff, now=now)
        assert not signin.is_open_to_staff(session, of_merchant, now=now)


@pytest.mark.parametrize(
    ("role", "needed", "may"), [("viewer", "support", False), ("support", "support", True), ("admin", "viewer", True)]
)
def test_a_role_includes_those_before_it(role, needed, may):
    assert Role(role).includes(Role(needed)) is may


def test_the_command_line_invites_lists_and_shuts_out(house):
    run = CliRunner().invoke
    told = json.loads(run(cli, ["staff", "invite", "ida@example.com", "--role", "support", "--json"]).stdout)
    wrong = run(cli, ["staff", "invite", "nobody"])

    assert told["link"].startswith("http://127.0.0.1:8000/support/sign-in/")
    assert enter(house, told["link"].rpartition("/")[2]).email == "ida@example.com"
    assert wrong.exit_code == 2
    (row,) = [json.loads(line) for line in run(cli, ["staff", "list", "--json"]).stdout.splitlines()]
    assert (row["email"], row["disabled_at"]) == ("ida@example.com", None)
    assert run(cli, ["staff", "disable", str(row["id"])]).exit_code == 0
    with house() as session:
        assert session.scalar(select(func.count()).where(Staff.disabled_at.is_not(None))) == 1
