"""Every command of `cartwheel` on the real database: what it prints, changes and refuses, and with which exit code."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from sqlalchemy import select, text

from app import clock
from app.cli import cli
from app.models import AuditRow, Delivery, FlowVersion, Webhook
from app.queues import DRAINS, QueueName
from tests import builders

ROOT = Path(__file__).resolve().parents[2]
WOO = ("shop", "connect", "woocommerce", "--key", "ck_1", "--secret", "cs_1", "--webhook-secret", "whsec")
SHOPIFY = ("shop", "connect", "shopify", "--access-token", "shpat_1", "--domain")


def run(*arguments, code=0, given=None):
    """Run a command and expect an exit code; a traceback is never expected."""
    result = CliRunner().invoke(cli, [str(a) for a in arguments], input=given)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == code, result.output
    return result


def ask(*arguments):
    """Run a command with --json and return its one object."""
    return json.loads(run(*arguments, "--json").stdout)


def ask_list(*arguments):
    """Run a command with --json and return its objects, one from each line."""
    return [json.loads(line) for line in run(*arguments, "--json").stdout.splitlines()]


@pytest.fixture
def tea(house):
    """Tea & Tin, with its flow on."""
    with house.begin() as session:
        return builders.tea_and_tin(session)


@pytest.fixture
def webhooks(house, tea):
    """Four webhooks: two failed, one handled, one erased."""
    with house.begin() as session:
        for key in "abcd":
            topic = "checkouts/update" if key == "b" else "orders/create"
            builders.store_webhook(session, tea, topic, {"email": "alice@example.com"}, key=key)
        session.execute(text("UPDATE webhooks SET state = 'failed', error = 'no such field', attempts = 5 WHERE id < 3"))
        session.execute(text("UPDATE webhooks SET state = 'done' WHERE id = 3"))
        session.execute(text("UPDATE webhooks SET state = 'redacted', body = NULL WHERE id = 4"))
    return [1, 2, 3, 4]


@pytest.fixture
def mails(house, tea):
    """A left cart whose reminder was handed over with an unclear outcome, and whose coupon was skipped."""
    with house.begin() as session:
        now = clock.now(session)
        builders.store_webhook(session, tea, "checkouts/update", builders.checkout_body("t1", now), key="w1")
    builders.work_off()
    builders.skip_clock(house, timedelta(hours=1, minutes=1))
    builders.work_off()
    with house.begin() as session:
        session.execute(text("UPDATE deliveries SET state = 'unknown', reason = 'time-out', sent_at = NULL, fence = 5"))
    return house


# -- shops


def test_connecting_a_woocommerce_shop_answers_with_where_its_webhooks_go(house):
    row = ask(*WOO, "--url", "https://lamp-loft.example/")

    assert row["webhook_url"] == f"http://127.0.0.1:8000/webhooks/woocommerce/{row['connection_id']}"
    assert (row["shop_id"], row["domain"], row["name"]) == (1, "lamp-loft.example", "Lamp Loft")
    assert (row["sender_email"], row["currency"], row["timezone"]) == ("hello@lamp-loft.example", "USD", "UTC")


def test_connecting_a_shopify_shop_answers_with_where_its_webhooks_go(house):
    row = ask(*SHOPIFY, "Tea-And-Tin.myshopify.com", "--timezone", "America/Los_Angeles", "--currency", "usd")

    assert (row["domain"], row["currency"]) == ("tea-and-tin.myshopify.com", "USD")
    assert row["webhook_url"] == "http://127.0.0.1:8000/webhooks/shopify"
    assert "connection_id" not in row


def test_connecting_a_shop_again_keeps_its_id_and_address(house):
    first, second = (ask(*WOO, "--url", "https://lamp-loft.example") for _ in range(2))

    assert (first["shop_id"], first["connection_id"]) == (second["shop_id"], second["connection_id"])


def test_secrets_that_are_left_out_are_asked_for_and_not_shown(house):
    result = run("shop", "connect", "shopify", "--domain", "tea-and-tin.myshopify.com", given="shpat_typed\n")

    assert "shpat_typed" not in result.output
    assert ask_list("shop", "list")[0]["domain"] == "tea-and-tin.myshopify.com"


@pytest.mark.parametrize(
    "domain", ["tea-and-tin.example", "-a.myshopify.com", "a.myshopify.com.evil.example", "a b.myshopify.com"]
)
def test_a_look_alike_of_a_shopify_domain_gets_no_token(house, domain):
    result = run(*SHOPIFY, domain, code=1)

    assert "myshopify.com" in result.stderr
    assert ask_list("shop", "list") == []


@pytest.mark.parametrize(
    "url",
    [
        "http://lamp-loft.example",
        "https://user:pw@lamp-loft.example",
        "https://10.0.0.7",
        "https://lamp-loft.example:8443",
        "https://lamp-loft.example/?a=b",
        "https://intranet",
        "https://2130706433",
        "https://[::ffff:10.0.0.7]",
        "ftp://lamp-loft.example",
        "lamp-loft.example",
        "https://x:99999",
        "",
    ],
)
def test_an_address_that_is_no_public_shop_is_refused(house, url):
    assert "https://" in run(*WOO, "--url", url, code=1).stderr


def test_a_shop_on_loopback_is_for_tests_only(house, monkeypatch):
    assert ask(*WOO, "--url", "http://127.0.0.1:8001/woocommerce")["domain"] == "127.0.0.1:8001/woocommerce"

    from app.config import settings

    monkeypatch.setenv("CARTWHEEL_ALLOW_LOOPBACK_SHOPS", "false")
    settings.cache_clear()
    run(*WOO, "--url", "http://127.0.0.1:8001/other", code=1)
    run(*WOO, "--url", "https://localhost/other", code=1)


@pytest.mark.parametrize(
    ("option", "value"),
    [("--timezone", "Mars/Olympus"), ("--currency", "EURO"), ("--locale", "xx-nowhere"), ("--sender-email", "nobody")],
)
def test_a_fact_that_makes_no_sense_is_wrong_usage(house, option, value):
    result = run(*WOO, "--url", "https://lamp-loft.example", option, value, code=2)

    assert option in result.stderr


def test_a_paused_shop_resumes_and_both_are_on_record(house, tea):
    assert ask("shop", "pause", builders.TEA_AND_TIN)["state"] == "paused"
    assert ask("shop", "pause", "1")["state"] == "paused"
    assert ask("shop", "resume", "https://tea-and-tin.myshopify.com/")["state"] == "active"

    with house() as session:
        rows = session.execute(select(AuditRow.action, AuditRow.actor).where(AuditRow.object_kind == "shop")).all()
    assert [action for action, _ in rows] == ["shop.connected", "shop.paused", "shop.resumed"]
    assert rows[1].actor.startswith("cli:")


def test_an_uninstalled_shop_is_not_resumed(house, tea):
    with house.begin() as session:
        session.execute(text("UPDATE shops SET state = 'uninstalled'"))

    assert "Connect it again" in run("shop", "resume", tea, code=1).stderr


def test_an_unknown_shop_is_refused_with_the_list_of_shops(house, tea):
    result = run("shop", "show", "nobody.example", code=1)

    assert "There is no shop nobody.example" in result.stderr
    assert "tea-and-tin.myshopify.com" in result.stderr
    assert "99" in run("shop", "show", "99", code=1).stderr


def test_a_name_that_two_shops_share_is_refused_until_it_is_an_id(house):
    for path in ("one", "two"):
        ask(*WOO, "--url", f"https://lamp-loft.example/{path}")

    assert "Give the id" in run("flow", "list", "--shop", "lamp-loft.example", code=1).stderr
    assert "Say which shop" in run("flow", "list", code=1).stderr
    assert ask_list("flow", "list", "--shop", "lamp-loft.example/two")[0]["shop_id"] == 2
    assert ask("shop", "show", "2")["domain"] == "lamp-loft.example/two"


def test_lists_for_people_name_their_columns_and_cannot_steer_the_terminal(house, tea):
    with house.begin() as session:
        session.execute(text("UPDATE shops SET name = E'Tea\\u001b[31m[red]'"))

    shown = run("shop", "list").stdout
    assert "domain" in shown
    assert "[red]" in shown
    assert "\x1b" not in shown


# -- flows


def test_flow_is_switched_off_and_on(house, tea):
    assert ask("flow", "disable", "abandoned_cart")["is_on"] is False
    assert "It is off" in run("flow", "show", "abandoned_cart").stderr
    assert ask("flow", "enable", "abandoned_cart", "--shop", tea)["is_on"] is True


def test_several_changes_make_one_version(house, tea):
    changes = ("reminder.after=5s", "coupon.after=1h30m", "coupon.percent=15", "coupon.valid=2d", "holdout=10%")
    row = ask("flow", "set", "abandoned_cart", *changes)

    waits = [step for step in row["tree"]["steps"] if step["type"] == "wait"]
    coupon = row["tree"]["steps"][3]["coupon"]
    assert (waits[0]["seconds"], waits[1]["minutes"]) == (5, 90)
    assert (coupon["percent"], coupon["valid_hours"]) == (15, 48)
    assert (row["version"], row["holdout"]) == (2, 0.1)
    assert "wait until 5s" in run("flow", "show", "abandoned_cart").stdout


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("reminder.after=soon", "1h30m"),
        ("reminder.after=0s", "at least 1 second"),
        ("reminder.after", "1h30m"),
        ("thanks.after=1h", "reminder, coupon"),
        ("reminder.percent=10", "with a coupon"),
        ("coupon.percent=ten", "whole number"),
        ("coupon.percent=101", "1 to 100"),
        ("coupon.valid=90m", "whole hours"),
        ("holdout=0.9", "between 0 and 0.5"),
        ("holdout=nan", "between 0 and 0.5"),
        ("holdout=some", "0.1 or 10%"),
        ("colour=red", "cannot be set"),
    ],
)
def test_a_change_that_makes_no_sense_says_why_and_changes_nothing(house, tea, change, said):
    result = run("flow", "set", "abandoned_cart", "reminder.after=2h", change, code=1)

    assert said in result.stderr
    assert ask("flow", "show", "abandoned_cart")["version"] == 1


def test_an_unknown_flow_is_refused_with_the_list_of_flows(house, tea):
    for command in (("show",), ("enable",), ("export",), ("set", "reminder.after=1h")):
        assert "abandoned_cart" in run("flow", command[0], "no_such_flow", *command[1:], code=1).stderr


def test_an_exported_flow_imports_as_the_same_flow(house, tea, tmp_path):
    file = tmp_path / "flow.yaml"
    run("flow", "export", "abandoned_cart", "-o", file)

    assert ask("flow", "import", file)["version"] == 1
    tree = yaml.safe_load(run("flow", "export", "abandoned_cart").stdout)
    assert tree == yaml.safe_load(file.read_text())

    tree["steps"][0]["hours"] = 3
    assert json.loads(run("flow", "import", "-", "--json", given=yaml.safe_dump(tree)).stdout)["version"] == 2
    with house() as session:
        mine = select(FlowVersion.version).where(FlowVersion.flow == "abandoned_cart").order_by(FlowVersion.version)
        assert session.scalars(mine).all() == [1, 2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("key: [", "not YAML"),
        ("a: &a [1]\nb: *a", "aliases"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
        ("[" * 5000, "nested too deeply"),
        ("just words", "the flow"),
        ("x: " + "y" * 300_000, "too large"),
        ("key: abandoned_cart\ntitle: x\nexits: []\nsteps: []\ntrigger: {event: order_placed}", "steps"),
        ("key: abandoned_cart\ntitle: x\nexits: []\nsteps: [{type: call}]\ntrigger: {event: order_placed}", "steps.0"),
        ("", "the flow"),
    ],
)
def test_a_file_that_is_no_flow_is_refused_with_the_place(house, tea, content, said):
    result = run("flow", "import", "-", code=1, given=content)

    assert said in result.stderr


# -- webhooks


def test_webhooks_are_listed_oldest_first_with_state_and_reason(house, webhooks):
    rows = ask_list("webhook", "list")

    assert [r["id"] for r in rows] == webhooks
    assert (rows[0]["state"], rows[0]["reason"], rows[0]["shop_id"]) == ("failed", "no such field", 1)
    assert rows[0]["received_at"].endswith("+00:00")


def test_a_list_goes_on_where_it_ended(house, webhooks):
    assert [r["id"] for r in ask_list("webhook", "list", "--limit", 2)] == [1, 2]
    assert [r["id"] for r in ask_list("webhook", "list", "--limit", 2, "--after", 2)] == [3, 4]
    assert [r["id"] for r in ask_list("webhook", "list", "--shop", "1", "--state", "failed", "--after", 1)] == [2]
    assert "--after 2" in run("webhook", "list", "--limit", 2).stderr
    run("webhook", "list", "--limit", 1001, code=2)
    run("webhook", "list", "--state", "lost", code=2)


def test_a_list_without_shop_merges_all_shops_and_what_belongs_to_none(house, webhooks):
    with house.begin() as session:
        lamp, _ = builders.lamp_loft(session)
        for shop_id, key in ((lamp, "e"), (0, "f"), (1, "g"), (lamp, "h")):
            builders.store_webhook(session, shop_id, "x/y", b"{}", key=key)

    assert [r["shop_id"] for r in ask_list("webhook", "list", "--after", 4)] == [lamp, 0, 1, lamp]
    assert [r["id"] for r in ask_list("webhook", "list", "--after", 4, "--limit", 2)] == [5, 6]
    assert ask("webhook", "show", 6)["shop_id"] == 0


def test_a_shown_webhook_keeps_its_body_to_itself_until_asked(house, webhooks):
    assert "body" not in ask("webhook", "show", 1)

    assert "alice@example.com" in ask("webhook", "show", 1, "--body")["body"]
    with house() as session:
        assert session.scalars(select(AuditRow.object_id).where(AuditRow.action == "webhook.read")).all() == ["1"]
    assert "There is no webhook 77" in run("webhook", "show", 77, code=1).stderr


def test_a_replayed_webhook_is_due_again_and_its_queue_is_rung(house, webhooks):
    from app.queues import connect

    assert ask("webhook", "replay", 1, "--reason", "the field is known now") == {"replayed": 1, "refused": 0}

    with house() as session:
        webhook = session.scalars(select(Webhook).where(Webhook.id == 1)).one()
        audit = session.scalars(select(AuditRow).where(AuditRow.action == "webhook.replayed")).one()
    assert (webhook.state, webhook.attempts, webhook.fence) == ("pending", 0, 1)
    assert audit.detail == {"reason": "the field is known now"}
    with connect() as client:
        jobs = [client.hget(key, "description") for key in client.keys("rq:job:*")]
    assert any(DRAINS[QueueName.INBOX] in str(job) for job in jobs)


@pytest.mark.parametrize(("webhook_id", "said"), [(3, "was handled"), (4, "was erased"), (77, "There is no webhook")])
def test_what_makes_no_sense_is_not_replayed(house, webhooks, webhook_id, said):
    assert said in run("webhook", "replay", webhook_id, code=1).stderr


def test_all_failed_webhooks_that_match_are_replayed(house, webhooks):
    told = ask("webhook", "replay", "--topic", "orders/create", "--dry-run")
    assert (told["would_replay"], told["ids"], told["effects"]) == (1, [1], [])
    assert [end["state"] for end in told["ends"]] == ["failed"]
    assert "Nothing was changed." in run("webhook", "replay", "--dry-run").stderr
    assert [r["state"] for r in ask_list("webhook", "list")] == ["failed", "failed", "done", "redacted"]

    assert ask("webhook", "replay", "--topic", "orders/create")["replayed"] == 1
    assert "Set due: 1 of 1" in run("webhook", "replay", "--since", "1h").stderr
    assert ask("webhook", "replay")["replayed"] == 0
    assert [r["state"] for r in ask_list("webhook", "list")] == ["pending", "pending", "done", "redacted"]


def test_since_takes_a_time_or_how_long_ago(house, webhooks):
    assert ask("webhook", "replay", "--dry-run", "--since", "2099-01-01")["would_replay"] == 0
    assert ask("webhook", "replay", "--dry-run", "--since", "2020-01-01T00:00")["would_replay"] == 2
    assert ask("webhook", "replay", "--dry-run", "--since", "2020-01-01T00:00+04:00")["would_replay"] == 2

    for wrong in ("yesterday", "99999999d"):
        assert "--since" in run("webhook", "replay", "--since", wrong, code=2).stderr
    run("webhook", "replay", 1, "--since", "1h", code=2)


# -- mails


def test_mails_are_listed_with_everything_support_asks_for(mails):
    (row,) = ask_list("mail", "list", "--state", "unknown")

    assert (row["flow"], row["step"], row["reason"]) == ("abandoned_cart", "reminder", "time-out")
    assert row["recipient"] == "alice@example.com"
    assert {"id", "shop_id", "created_at", "due_at", "sent_at"} <= row.keys()
    assert "reminder" in run("mail", "list").stdout
    assert "There are no such mails" in run("mail", "list", "--state", "failed").stderr


def test_a_shown_mail_says_which_decisions_led_to_it(mails):
    row = ask("mail", "show", 1)

    assert row["decisions"]
    assert row["decisions"][0]["because"]
    assert row["version"] == 1
    assert "Why:" in run("mail", "show", 1).stderr
    assert "There is no mail 9" in run("mail", "show", 9, code=1).stderr


def test_an_unknown_mail_that_was_sent_is_closed(mails):
    assert ask("mail", "resolve", 1, "--as", "sent", "--reason", "seen at the provider")["state"] == "sent"

    with mails() as session:
        delivery = session.scalars(select(Delivery)).one()
        audit = session.scalars(select(AuditRow).where(AuditRow.action == "mail.resolved")).one()
    assert delivery.sent_at is not None
    assert audit.detail == {"as": "sent", "reason": "seen at the provider"}
    assert "Only an unknown one" in run("mail", "resolve", 1, "--as", "not-sent", "--reason", "x", code=1).stderr


def test_an_unknown_mail_that_was_not_sent_goes_through_all_checks_again_and_leaves_once(mails):
    row = ask("mail", "resolve", 1, "--as", "not-sent", "--reason", "the provider never saw it")

    assert (row["state"], row["attempts"], row["sending_at"]) == ("pending", 0, None)
    with mails() as session:
        assert session.scalars(select(Delivery.fence)).one() == 6
    builders.work_off()
    assert builders.ledger(mails) == [("reminder", "sent", None)]


def test_resolving_needs_a_reason_and_the_right_shop(mails):
    run("mail", "resolve", 1, "--as", "sent", code=2)
    assert "Say how you know" in run("mail", "resolve", 1, "--as", "sent", "--reason", " ", code=1).stderr

    with mails.begin() as session:
        lamp, _ = builders.lamp_loft(session)
    result = run("mail", "resolve", 1, "--as", "sent", "--reason", "x", "--shop", lamp, code=1)
    assert "of that shop" in result.stderr


# -- the house itself


def test_status_counts_what_waits_and_complains_of_a_silent_scheduler(house, webhooks):
    result = run("status", "--json", code=3)
    row = json.loads(result.stdout)

    assert row["states"]["webhooks"] == {"done": 1, "failed": 2, "redacted": 1}
    assert row["scheduler_lag_seconds"] is None
    assert "cartwheel scheduler" in row["complaints"][0]
    assert set(row["queues"]) == {name.value for name in QueueName}
    assert "never seen" in run("status", code=3).stdout


def test_status_is_content_while_the_scheduler_beats(house, webhooks):
    beat(house)

    row = ask("status")
    assert row["scheduler_lag_seconds"] < 10
    assert set(row["due"]) == {"inbox", "steps", "mail"}
    assert "failed" in run("status").stdout


def test_doctor_finds_a_healthy_house(house, tea):
    beat(house)

    findings = {f["what"]: f["verdict"] for f in ask_list("doctor")}
    assert set(findings.values()) == {"ok"}
    assert {"database", "tables", "Redis", "secrets", "scheduler", "mail", "public address"} <= set(findings)


def test_doctor_names_secrets_that_do_not_open_and_how_to_mend_it(house, tea, monkeypatch):
    from app import config, crypto

    monkeypatch.setenv("CARTWHEEL_SECRET_KEYS", "another-key-another-key-another-key-1")
    config.settings.cache_clear()
    crypto._fernet.cache_clear()
    result = run("doctor", code=3)

    assert "FAIL  secrets: 2 of 2 do not open" in result.stdout
    assert "CARTWHEEL_SECRET_KEYS" in result.stdout


def test_doctor_survives_a_database_that_does_not_answer(house, monkeypatch):
    elsewhere(monkeypatch, "postgresql://127.0.0.1:1/nowhere")

    assert "FAIL  database" in run("doctor", code=3).stdout


def test_doctor_names_every_setting_that_is_missing(house, monkeypatch):
    from app.config import settings

    for name in ("DATABASE_URL", "CARTWHEEL_SECRET_KEYS"):
        monkeypatch.delenv(name)
    settings.cache_clear()
    result = run("doctor", code=3)

    assert "DATABASE_URL is not set" in result.stdout
    assert "CARTWHEEL_SECRET_KEYS is not set" in result.stdout


def test_a_setting_that_is_missing_ends_a_command_with_its_name(house, monkeypatch):
    with monkeypatch.context() as without:
        elsewhere(without, "")
        without.delenv("DATABASE_URL")

        assert "DATABASE_URL is not set" in run("shop", "list", code=3).stderr


def test_the_newest_migration_is_found_without_alembic():
    from app.cli.boot import newest_revision
    from app.schema import newest

    assert newest_revision() == newest()


def test_migrating_twice_changes_nothing(house):
    from app.schema import newest

    assert ask("migrate") == {"revision": newest(), "changed": False}
    assert "already" in run("migrate").stderr


@pytest.mark.parametrize("command", ["web", "scheduler", "worker inbox"])
def test_nothing_starts_on_a_database_without_our_tables(house, monkeypatch, command):
    from app.config import settings

    plain = settings().database_url
    elsewhere(monkeypatch, plain.replace("/test_", "/postgres?x=", 1).partition("?x=")[0] + "?" + plain.partition("?")[2])

    assert "cartwheel migrate" in run(*command.split(), code=3).stderr


def test_nothing_starts_without_a_database(house, monkeypatch):
    elsewhere(monkeypatch, "postgresql://127.0.0.1:1/nowhere")

    assert "does not answer" in run("web", code=3).stderr


def test_nothing_starts_on_a_redis_that_throws_jobs_away(house, monkeypatch, tmp_path_factory):
    import redis

    from app.config import settings
    from app.embedded import _valkey

    with _valkey(tmp_path_factory.mktemp("v")) as url:
        monkeypatch.setenv("REDIS_URL", url)
        settings.cache_clear()
        with redis.Redis.from_url(url) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")

        assert "Set it to noeviction" in run("worker", "mail", code=3).stderr
        assert "evicts (allkeys-lru)" in run("doctor", code=3).stdout


def test_debug_in_production_is_refused(house, monkeypatch):
    from app.config import settings

    for name, value in (
        ("CARTWHEEL_ENV", "production"), ("CARTWHEEL_PUBLIC_URL", "https://mail.example.com"),
        ("CARTWHEEL_ALLOW_LOOPBACK_SHOPS", "false"), ("FLASK_DEBUG", "1"),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    settings.cache_clear()

    assert "FLASK_DEBUG" in run("web", code=3).stderr


def test_one_machine_brings_its_own_servers_and_says_so(house):
    assert "DATABASE_URL and REDIS_URL" in run("run", code=1).stderr


def test_a_new_key_is_accepted_as_a_secret_key(house, monkeypatch):
    from app.config import load_settings

    key = ask("keys", "new")["key"]
    monkeypatch.setenv("CARTWHEEL_SECRET_KEYS", key)

    assert load_settings().secret_keys == [key]
    assert run("keys", "new").stdout.strip() != key


def test_every_command_explains_itself(house):
    for command, names in (("", ["demo", "worker"]), ("shop", ["connect"]), ("flow", ["set"]), ("mail", ["resolve"])):
        shown = run(*command.split(), "--help").stdout

        assert all(name in shown for name in names)
    assert "demo-shops" not in run("--help").stdout


def test_a_process_works_in_utc_wherever_it_is_started_and_loads_no_more_than_it_needs():
    code = (
        "import sys, time; from app.cli import main; sys.argv = ['cartwheel', 'keys', 'new']\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        "assert time.tzname[0] == 'UTC', time.tzname\n"
        "assert not {'flask', 'sqlalchemy', 'rq', 'granian'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"TZ": "Asia/Tokyo"}, cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_unknown_commands_are_wrong_usage(house):
    run("fly", code=2)
    run("worker", "no-such-queue", code=2)


def test_every_queue_has_a_worker_in_the_command_line_and_in_the_procfile():
    from app.cli.serve import _QUEUES

    lines = (ROOT / "Procfile").read_text().splitlines()
    commands = {line.partition(": ")[2] for line in lines}

    assert tuple(name.value for name in QueueName) == _QUEUES
    assert {f"cartwheel worker {name}" for name in _QUEUES} <= commands


def beat(house):
    """Leave a sign of life of the scheduler's."""
    from app.services import watch

    with house.begin() as session:
        watch.beat(session, "scheduler")


def elsewhere(monkeypatch, database_url):
    """Point the house at another database."""
    from app.config import settings
    from app.db import engine, sessions

    engine().dispose()
    monkeypatch.setenv("DATABASE_URL", database_url)
    for cache in (settings, engine, sessions):
        cache.cache_clear()
