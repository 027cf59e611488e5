"""A link to the desk by mail: for staff alone, with one answer for everybody, once, for minutes, and not without end."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

import jobs.mail
from app.config import settings
from app.models import NO_SHOP, Role, SignInLink, SignInMail
from app.queues import QueueName
from app.services import sign_in_mail, signin, staff
from jobs import scheduler
from tests.builders import tea_and_tin

IDA = "ida@example.com"


@pytest.fixture
def client(house, monkeypatch):
    """A browser at the desk's door; Ida is of the staff."""
    monkeypatch.setenv("CARTWHEEL_STAFF_SENDER", "desk@cartwheel.example")
    settings.cache_clear()
    from app.web import create_app

    with house.begin() as session:
        staff.invite(session, IDA, Role.SUPPORT, actor="test", now=signin.real_now(session))
        staff.invite(session, "boss@example.com", Role.ADMIN, actor="test", now=signin.real_now(session))
    app = create_app()
    app.config["WTF_CSRF_ENABLED"] = False
    return app.test_client()


def ask(client, email: str = IDA):
    return client.post("/support/sign-in", data={"email": email})


def mailed() -> list[str]:
    """Return the paths of the links in the mailbox."""
    jobs.mail.drain()
    mails = sorted(settings().outbox_dir.glob("*.eml"), key=lambda path: int(path.stem.rpartition("-")[2]))
    return [re.search(r"http://127\.0\.0\.1:8000(/support/sign-in/[\w-]+)\s", mail.read_text())[1] for mail in mails]


def test_a_link_comes_by_mail_and_opens_the_desk_once(client, house):
    answer = ask(client, " Ida@Example.COM ")
    (link,) = mailed()
    mail = next(settings().outbox_dir.glob("*.eml")).read_text()
    assert (answer.status_code, answer.location) == (303, "/support/signed-out?asked=1")
    assert f"To: {IDA}" in mail
    assert "From: Cartwheel <desk@cartwheel.example>" in mail

    assert client.get(link).status_code == 200, "opening it uses nothing up"
    assert client.post(link).location == "/support/"
    assert client.get("/support/").status_code == 200
    assert client.post(link).status_code == 404


def test_the_answer_is_the_same_for_whoever_asks(client, house):
    with house.begin() as session:
        shut = staff.everybody(session)[1]
        staff.disable(session, shut.id, actor="test", now=signin.real_now(session))
    answers = [ask(client, email) for email in (IDA, "boss@example.com", "nobody@example.com")]

    assert len({(a.status_code, a.location, a.data, tuple(a.headers)) for a in answers}) == 1
    assert len(mailed()) == 1


def test_a_mailed_link_lives_for_a_quarter_of_an_hour(client, house):
    ask(client)
    token = mailed()[0].rpartition("/")[2]
    with house.begin() as session:
        now = signin.real_now(session)
        assert signin.is_open_to_staff(session, token, now=now + timedelta(minutes=14))
        assert not signin.is_open_to_staff(session, token, now=now + timedelta(minutes=16))


def test_nobody_is_mailed_more_than_three_in_an_hour(client, house):
    answers = {(a.status_code, a.location) for a in [ask(client) for _ in range(5)]}
    assert (len(answers), len(mailed())) == (1, 3)

    with house.begin() as session:
        session.execute(update(SignInMail).values(created_at=SignInMail.created_at - timedelta(minutes=61)))
    ask(client)
    assert len(mailed()) == 4


@pytest.mark.parametrize("typed", ["", "ida", "ida@", "x" * 5000, "a@b\r\nBcc: c@d.example"])
def test_what_is_no_address_is_said_and_kept(client, typed):
    answer = ask(client, typed)

    assert (answer.status_code, "Write your e-mail address" in answer.text) == (422, True)
    assert f'value="{typed[:4]}' in answer.text


def test_who_is_shut_out_before_the_mail_leaves_gets_none(client, house):
    ask(client)
    with house.begin() as session:
        ida = next(person for person in staff.everybody(session) if person.email == IDA)
        staff.disable(session, ida.id, actor="test", now=signin.real_now(session))
    assert mailed() == []
    with house() as session:
        assert session.execute(select(SignInMail.state, SignInMail.error)).all() == [("failed", "They were shut out since.")]


def test_a_link_is_kept_as_a_hash_and_not_made_before_it_is_sent(client, house):
    ask(client)
    with house() as session:
        before = session.scalars(select(SignInLink.token_hash).where(SignInLink.staff_id.is_not(None))).all()
        now = signin.real_now(session)
        assert any(rule.is_due(session, now) for rule in scheduler.RULES if rule.queue is QueueName.MAIL)
    token = mailed()[0].rpartition("/")[2]

    with house() as session:
        after = session.scalars(select(SignInLink.token_hash).where(SignInLink.staff_id.is_not(None))).all()
        assert len(after) == len(before) + 1
        assert token not in str(after)


def test_a_process_that_died_over_it_mails_nothing_twice(client, house):
    ask(client)
    with house.begin() as session:
        session.execute(update(SignInMail).values(deaths=1))
    assert mailed() == []
    with house() as session:
        assert session.scalars(select(SignInMail.state)).all() == ["unknown"]


def test_without_an_address_to_mail_from_there_is_no_form(client, monkeypatch):
    assert "Mail me a link" in client.get("/support/signed-out").text
    monkeypatch.delenv("CARTWHEEL_STAFF_SENDER")
    settings.cache_clear()

    assert "Mail me a link" not in client.get("/support/signed-out").text
    assert ask(client).status_code == 404


def test_a_shops_own_role_sees_none_of_it(client, house):
    """I10: links of the staff are no business of any shop's."""
    from sqlalchemy.exc import ProgrammingError

    from app.db import tenant_session

    with house.begin() as session:
        shop_id = tea_and_tin(session)
    ask(client)
    with tenant_session(shop_id) as session, pytest.raises(ProgrammingError):
        session.scalars(select(SignInMail.staff_id).where(SignInMail.shop_id == NO_SHOP)).all()


def test_lifetime_is_what_the_mail_says(client):
    ask(client)
    mailed()

    assert f"within {sign_in_mail.LIFETIME.seconds // 60} minutes" in next(settings().outbox_dir.glob("*.eml")).read_text()
