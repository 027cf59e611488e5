"""The settings of the ways out: a wrong one stops the start and names itself, without repeating a secret."""

import pytest

from app.config import BadSetting, load_settings

GOOD = {"DATABASE_URL": "postgresql://x@127.0.0.1:9/x", "REDIS_URL": "redis://127.0.0.1:9/0"}
PRODUCTION = {
    "CARTWHEEL_ENV": "production",
    "CARTWHEEL_PUBLIC_URL": "https://x.example",
    "CARTWHEEL_ALLOW_LOOPBACK_SHOPS": "no",
}


@pytest.mark.parametrize(("given", "named"), [
    ({"MAIL_TRANSPORT": "sendgrid"}, "CARTWHEEL_SENDGRID_API_KEY"),
    ({"MAIL_TRANSPORT": "smtp"}, "CARTWHEEL_SMTP_URL"),
    ({"MAIL_TRANSPORT": "pigeon"}, "CARTWHEEL_MAIL_TRANSPORT"),
    ({"SMTP_URL": "ftp://user:s3cret@host"}, "CARTWHEEL_SMTP_URL"),
    ({"SENDGRID_EVENT_PUBLIC_KEY": "s3cret"}, "CARTWHEEL_SENDGRID_EVENT_PUBLIC_KEY"),
    ({"MAIL_ALLOWLIST": "("}, "CARTWHEEL_MAIL_ALLOWLIST"),
    ({"INBOUND_DOMAIN": "in.example.com"}, "CARTWHEEL_INBOUND_SECRET"),
    ({"INBOUND_SECRET": "s3cret"}, "CARTWHEEL_INBOUND_SECRET"),
])  # fmt: skip
def test_a_wrong_setting_names_itself_and_not_its_value(monkeypatch, given, named):
    for name, value in {**GOOD, **{f"CARTWHEEL_{k}": v for k, v in given.items()}}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting, match=named) as caught:
        load_settings()

    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(("given", "named"), [
    ({"MAIL_ALLOWLIST": ".*"}, "CARTWHEEL_MAIL_ALLOWLIST"),
    ({"SMTP_URL": "smtp://mail.example:25"}, "CARTWHEEL_SMTP_URL"),
    ({"SENDGRID_API_BASE": "http://mail.example"}, "CARTWHEEL_SENDGRID_API_BASE"),
])  # fmt: skip
def test_what_is_for_tests_alone_is_refused_in_production(monkeypatch, given, named):
    for name, value in {**GOOD, **PRODUCTION, **{f"CARTWHEEL_{k}": v for k, v in given.items()}}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadSetting, match=named):
        load_settings()
