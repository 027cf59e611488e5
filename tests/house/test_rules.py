"""The rules of this house that no linter knows: what is listed in one place must be there in the other."""

import importlib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest

from app.domain.consent import TOPICS, Frequency, Permission
from app.domain.events import ConsentState
from app.domain.pace import Cap, Mailed, Pace, Quiet, Waiting
from app.domain.sunset import Silence, SunsetRule
from app.flows import FLOWS, engine, gates, news, read_flow
from app.flows.conditions import never_bought, worth_at_least
from app.flows.snapshot import AnswerFacts, CheckoutFacts, OptInFacts, OrderFacts, Snapshot
from app.flows.vocabulary import Condition, On, Send, to_json
from app.models import ShopState
from app.web.admin import words

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 19, 12, 0, tzinfo=UTC)
SUPPRESSED = ("bounced", "complained", "unsubscribed", "manual")  # what app/models/customer.py may hold
NO_REASONS = {"waiting", "due", "finished", "entered"}  # what a decision is made because of, without stopping a mail

# What a page may show unescaped: constants of ours, so nothing of a shop's or a shopper's can be in it.
SAFE = {
    "templates/admin/ui.html": "{{ ICONS[name]|safe }}",
    "templates/admin/webhooks.html": '{{ ui.ICONS["replay"]|safe }}',
}
LOCKS = ("requirements.lock", "requirements-embedded.lock", "requirements-dev.lock")
# Folders and files named in prose that a checkout does not hold: made at run time, or placed by hand.
NOT_IN_A_CHECKOUT = ("var/", "docs/images/")
_PATH = re.compile(r"(?<![\w/.-])((?:app|docs|integrations|jobs|migrations|script|templates|tests)/[\w./-]*\w/?)")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def read(path: str) -> str:
    """Return a file of the checkout."""
    return (ROOT / path).read_text(encoding="utf-8")


def pages() -> list[Path]:
    """Return all prose that people read."""
    return [*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md"))]


def templates() -> list[str]:
    """Return the pages' templates; mails are .mjml and .liquid, with rules of their own (tests/unit/test_render.py)."""
    return [str(path.relative_to(ROOT)) for path in sorted((ROOT / "templates").rglob("*.html"))]


def test_every_setting_is_documented():
    from app.config import Settings

    names = set()
    for field, about in Settings.model_fields.items():
        alias = about.validation_alias
        names.add(str(alias.choices[0]) if alias is not None else f"CARTWHEEL_{field.upper()}")
    documented = set(re.findall(r"`([A-Z][A-Z_]+)`", read("docs/operating.md")))

    assert {"DATABASE_URL", "REDIS_URL", "PORT", "CARTWHEEL_SECRET_KEYS"} <= names
    assert names - documented == set()


def test_no_setting_is_documented_that_does_not_exist():
    from app.config import Settings

    known = {f"CARTWHEEL_{field.upper()}" for field in Settings.model_fields}
    documented = set(re.findall(r"`(CARTWHEEL_[A-Z_]+)`", read("docs/operating.md")))

    assert documented - known == set()


OPEN_DOORS = {
    "admin.signed_out", "admin.show_link", "admin.use_link", "admin.seen",
    "support.signed_out", "support.ask_link", "support.show_link", "support.use_link",
}  # fmt: skip


def test_every_route_declares_who_may_come_in(monkeypatch, tmp_path):
    from app import config
    from app.web import create_app
    from app.web.guards import Guard, unguarded_routes

    monkeypatch.setenv("DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    monkeypatch.setenv("CARTWHEEL_DATA_DIR", str(tmp_path))
    config.settings.cache_clear()
    app = create_app()
    config.settings.cache_clear()

    assert unguarded_routes(app) == []
    guards = {name: view.guard for name, view in app.view_functions.items() if name != "static"}
    without_role = [n for n, g in guards.items() if g is Guard.STAFF and not hasattr(app.view_functions[n], "role")]
    assert without_role == []  # the guard alone keeps nobody out: `staff_only` does
    closed = {"admin": Guard.MERCHANT, "support": Guard.STAFF}
    other = {n for n, g in guards.items() if g is not closed.get(n.partition(".")[0], g)}
    assert other == OPEN_DOORS  # each is a decision: what it shows and does without an identity
    assert {"webhooks.shopify", "public.stop", "admin.flows", "mailbox.raw_file"} <= set(app.view_functions)


def test_every_queue_has_a_worker_and_a_drain():
    from app.queues import DRAINS, QueueName

    commands = dict(line.split(": ", 1) for line in read("Procfile").splitlines() if line)
    drains = {name: path.rpartition(".") for name, path in DRAINS.items()}

    assert {f"worker-{name}": f"cartwheel worker {name}" for name in QueueName}.items() <= commands.items()
    assert {"web", "scheduler", "release"} <= commands.keys()
    assert set(DRAINS) == set(QueueName)
    assert all(callable(getattr(importlib.import_module(module), function)) for module, _, function in drains.values())


def test_every_queue_is_rung_by_the_scheduler():
    from app.queues import QueueName
    from jobs.scheduler import RULES

    assert {rule.queue for rule in RULES} == set(QueueName)


def test_every_mail_of_every_flow_has_its_texts_in_english():
    wanted = {
        f"templates/email/{flow.key}/{send.key}/en/{part}.liquid"
        for flow in FLOWS.values()
        for send in flow.sends
        for part in ("subject", "preheader", "body")
    }

    assert [path for path in sorted(wanted) if not (ROOT / path).is_file() or not read(path).strip()] == []


def test_no_text_is_left_of_a_mail_that_no_flow_sends():
    sent = {(flow.key, send.key) for flow in FLOWS.values() for send in flow.sends}
    written = {path.parts[-4:-2] for path in (ROOT / "templates" / "email").glob("*/*/*/body.liquid")}

    assert written - sent == set()


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS.keys())
def test_a_flow_is_the_same_after_json(flow):
    assert read_flow(to_json(flow)) == flow


@pytest.mark.parametrize("flow", FLOWS.values(), ids=FLOWS.keys())
def test_a_flow_is_told_in_words(flow):
    chapter = re.search(
        rf"^## {flow.title} \(`{flow.key}`\)\n(.*?)(?=^## |\Z)", read("docs/flows.md"), re.DOTALL | re.MULTILINE
    )

    assert chapter is not None
    assert [s.key for s in flow.sends if f"`{s.key}`" not in chapter[1]] == []
    assert [c.name for c in (*flow.trigger.when, *flow.exits) if f"`{c.name}`" not in chapter[1]] == []


def test_a_flow_file_is_its_key():
    files = {p.stem for p in (ROOT / "app" / "flows").glob("*.py")}

    assert set(FLOWS) <= files


def test_migrations_have_one_head():
    from alembic.script import ScriptDirectory

    from app.schema import _config

    assert len(ScriptDirectory.from_config(_config()).get_heads()) == 1


def test_a_migration_is_numbered_by_its_file():
    files = sorted((ROOT / "migrations" / "versions").glob("*.py"))
    named = [re.search(r'^revision = "(\w+)"', f.read_text(encoding="utf-8"), re.MULTILINE) for f in files]

    assert [found[1] if found else None for found in named] == [f.name.split("_")[0] for f in files]
    assert [f.name[:4] for f in files] == [f"{n:04}" for n in range(1, len(files) + 1)]


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_no_host(name):
    lines = read(name).splitlines()

    assert [line for line in lines if "://" in line or " @ " in line or re.match(r"\s*-(?!-hash=)", line)] == []
    assert [line for line in lines if "==" in line and not line.startswith(" ") and not line.endswith("\\")] == []


def test_the_oracles_lock_names_no_host_and_every_hash():
    lock = json.loads(read("tests/oracle/package-lock.json"))
    packages = {name: about for name, about in lock["packages"].items() if name}

    assert "://" not in read("tests/oracle/package-lock.json")
    assert [name for name, about in packages.items() if not about.get("integrity", "").startswith("sha512-")] == []


def test_what_is_shipped_has_its_licence_named():
    locked = dict(re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)", read("requirements-embedded.lock"), re.MULTILINE))
    told = dict(re.findall(r"^\| ([A-Za-z0-9_.-]+) \| (\d\S*) \| \S", read("THIRD_PARTY.md"), re.MULTILINE))
    told = {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in told.items()}

    # script/lock changed what is installed: correct these lines of THIRD_PARTY.md, and look at the licence of new ones.
    assert {name: told.get(name) for name, version in locked.items() if told.get(name) != version} == {}
    assert told.keys() - locked.keys() == set()


@pytest.mark.parametrize("folder", ["app/static", "tests/data"])
def test_a_file_of_others_is_the_one_that_is_named(folder):
    import hashlib

    for line in read(f"{folder}/VENDORED").splitlines()[1:]:
        name, project, licence, digest, _source = line.split("  ")

        assert hashlib.sha256((ROOT / folder / name).read_bytes()).hexdigest() == digest
        assert (project.split()[0] in read("THIRD_PARTY.md"), licence in read("THIRD_PARTY.md")) == (True, True)


@pytest.mark.parametrize("path", templates())
def test_a_page_has_no_inline_style_or_script(path):
    """The content security policy forbids both, and a browser that obeys it would show half a page."""
    markup = re.sub(r"\{#.*?#\}", "", read(path), flags=re.DOTALL)
    scripts = re.findall(r"<script\b[^>]*>", markup)

    assert re.findall(r"<style\b|\sstyle\s*=|\son[a-z]+\s*=\s*[\"']|\shx-on\b|javascript:", markup) == []
    assert [tag for tag in scripts if not re.search(r"\ssrc=", tag)] == []


@pytest.mark.parametrize("path", templates())
def test_a_page_escapes_everything_but_what_is_listed(path):
    rest = read(path).replace(SAFE.get(path, "nothing"), "")

    assert re.findall(r"\|\s*safe\b|\bMarkup\b", rest) == []
    assert "autoescape" not in rest


def standings() -> Iterator[Snapshot]:
    """Yield every standing that a person can have: in a shop that is active all of them, in another the plain one."""
    yes_no = (True, False)
    plain = Snapshot(
        entered_at=NOW, checkout=None, ordered_at=None, is_superseded=False, consent=ConsentState.SUBSCRIBED,
        suppressed=None, shop_state="active", is_flow_on=True, is_held_out=False, is_person_gone=False,
    )  # fmt: skip
    yield from (replace(plain, shop_state=state) for state in ShopState)
    for is_on, is_gone, suppressed, consent, is_held_out, ordered_at, pieces, is_superseded in product(
        yes_no, yes_no, (None, *SUPPRESSED), ConsentState, yes_no, (NOW, None), (0, 2), yes_no
    ):
        checkout = CheckoutFacts(
            token="t", email="alice@example.com", pieces=pieces, subtotal_minor=1, started_at=NOW, changed_at=NOW,
            is_completed=False, is_deleted=False,
        )  # fmt: skip
        yield replace(
            plain, checkout=checkout, ordered_at=ordered_at, is_superseded=is_superseded, consent=consent,
            suppressed=suppressed, is_flow_on=is_on, is_held_out=is_held_out, is_person_gone=is_gone,
        )  # fmt: skip


def encounters() -> Iterator[Snapshot]:
    """Yield standings of people rather than of carts: who was here lately, is unhappy, or is not mailed at this hour."""
    plain = next(s for s in standings() if s.checkout and s.consent is ConsentState.SUBSCRIBED and not engine_refuses(s))
    full = Pace(caps=(Cap(999, 1),), mailed=(Mailed(NOW + timedelta(days=3), 3),))
    order = OrderFacts(
        external_id="1", placed_at=NOW, paid_at=NOW, fulfilled_at=NOW, delivered_at=None, is_cancelled=True, total_minor=1,
        refunded_minor=1, nth=1,
    )  # fmt: skip
    for changes in (
        {"entered_before_at": NOW - timedelta(days=1)}, {"is_unhappy": True}, {"pace": full}, {"order": order},
        {"pace": Pace(quiet=Quiet(1, 0, "UTC"))}, {"pace": replace(full, waiting=(Waiting(NOW, 0),))},
        {"answer": AnswerFacts(score=1, at=NOW)},
    ):  # fmt: skip
        yield replace(plain, checkout=replace(plain.checkout, changed_at=NOW), **changes)


def permissions() -> Iterator[Snapshot]:
    """Yield standings that differ in what the consent gate asks beside the state."""
    plain = next(s for s in standings() if s.checkout and s.consent is ConsentState.SUBSCRIBED and not engine_refuses(s))
    for known in (
        Permission(needs_confirmation=True), Permission(topics_off=frozenset(TOPICS)),
        Permission(paused_until=NOW + timedelta(days=400)),
        Permission(frequency=Frequency.MONTHLY, mailed_at=NOW + timedelta(days=400)),
        Permission(silence=Silence(rule=SunsetRule(), mails=9, since=NOW - timedelta(days=400))),
    ):  # fmt: skip
        yield replace(plain, permission=known)


def opt_ins() -> Iterator[Snapshot]:
    """Yield what a run of the double opt-in can be about."""
    plain = next(s for s in permissions())
    for is_ended in (True, False):
        asked = OptInFacts(email="alice@example.com", asked_at=NOW, is_ended=is_ended)
        yield replace(plain, checkout=None, opt_in=asked)


def engine_refuses(snapshot: Snapshot) -> bool:
    """Say whether the cart flow would not mail this person at its first mail."""
    flow = FLOWS["abandoned_cart"]
    return bool(engine.why_leave(flow, snapshot)) or snapshot.is_held_out


def reasons_of_the_gates() -> set[str]:
    """Collect the reasons of gates that no shipped flow has yet."""
    plain = next(s for s in permissions())
    plain = replace(plain, permission=Permission())
    return {str(gates.why_closed(gate, plain, now=NOW)) for gate in gates.GATES.values()} - {"None"}


def reasons_of_the_engine() -> set[str]:
    """Collect every reason that the engine gives, by asking it about every standing at three times."""
    found = set()
    cart = FLOWS["abandoned_cart"]
    about_people = replace(cart, trigger=On("customer_subscribed", again_after_days=30))
    every_exit = [
        replace(cart, exits=(Condition(name, 1 if "score" in name else None),), trigger=On("order_paid", (never_bought(),)))
        for name in sorted(words.EXITS)
    ]
    for_some = replace(cart, steps=(Send("reminder", when=(worth_at_least(1),)),))
    flows = (*FLOWS.values(), about_people, for_some, *every_exit)
    for snapshot, flow, hours in product((*standings(), *permissions(), *encounters(), *opt_ins()), flows, (0.5, 1, 300)):
        decision = engine.decide(flow, 0, snapshot, now=NOW + timedelta(hours=hours))
        found |= {decision.because, *(e.reason for e in decision.effects if hasattr(e, "reason"))}
    return found


def reasons_of_the_claim() -> set[str]:
    """Collect the reasons that are asked once more before a mail is handed over, for rows without an address."""
    cart = FLOWS["abandoned_cart"]
    refused = [
        news.why_refused(cart, "reminder", snapshot, has_address=False, wanted_at=NOW, left=None, now=NOW)
        for snapshot in standings()
    ]
    return {refusal.reason for refusal in refused if refusal}


@pytest.fixture(scope="module")
def reasons() -> set[str]:
    """All reasons that are written beside a decision or a mail, as words of the machine."""
    from app.flows.outlook import STOPPED
    from jobs.runner import STEP_FAILED

    return {
        *reasons_of_the_engine(),
        *reasons_of_the_gates(),
        *reasons_of_the_claim(),
        STEP_FAILED,
        STOPPED,
    }


def test_the_engine_gives_the_reasons_that_we_know_of(reasons):
    """Guards the collector: were it blind, the rules below would hold for nothing."""
    assert {
        "ordered",
        "shop_paused",
        "flow_off",
        "person_gone",
        "held_out",
        "stale",
        "waiting",
        "due",
        "no_address",
        *SUPPRESSED,
    } <= reasons


def test_every_reason_has_words_on_the_merchants_pages(reasons):
    from app.web.admin.words import REASONS

    assert reasons - REASONS.keys() == set()


def test_every_reason_is_in_the_glossary_and_no_other(reasons):
    table = read("docs/words.md").partition("## Why a mail is not sent")[2].partition("\n## ")[0]
    explained = set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))

    assert explained == reasons - NO_REASONS


def test_every_word_of_the_glossarys_reasons_is_known_to_the_pages():
    from app.web.admin.words import REASONS

    table = read("docs/words.md").partition("## Why a mail is not sent")[2].partition("\n## ")[0]

    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) - REASONS.keys() == set()


def test_every_state_is_in_the_glossary():
    from app.models import CouponState, DeliveryState, EnrollmentState, WebhookState

    words = set(re.findall(r"`(\w+)`", read("docs/words.md")))
    states = {
        s.value
        for kind in (WebhookState, DeliveryState, EnrollmentState, CouponState, ShopState, ConsentState)
        for s in kind
    }

    assert states - words == set()


def test_templates_and_migrations_are_in_the_wheel():
    wheel = tomllib.loads(read("pyproject.toml"))["tool"]["hatch"]["build"]["targets"]["wheel"]

    assert set(wheel["packages"]) == {"app", "integrations", "jobs"}
    assert {"templates", "migrations"} <= set(wheel["force-include"])
    assert all((ROOT / source).is_dir() for source in wheel["force-include"])


def test_what_the_package_page_needs_is_there():
    project = tomllib.loads(read("pyproject.toml"))["project"]

    assert all((ROOT / path).is_file() for path in (project["readme"], *project["license-files"]))


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_only_what_exists(page):
    text = re.sub(r"[\w./<>{}*-]*[<{*][\w./<>{}*,-]*", "", page.read_text(encoding="utf-8"))  # `templates/email/<flow>/...`
    named = {path.removesuffix("/") for path in _PATH.findall(text) if not path.startswith(NOT_IN_A_CHECKOUT)}

    assert [path for path in sorted(named) if not (ROOT / path.partition("::")[0]).exists()] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_links_only_to_what_exists(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    near = [link for link in links if "://" not in link and "docs/images/" not in link and not link.startswith("mailto:")]

    assert [link for link in near if not (page.parent / link).exists()] == []


def test_every_promise_names_tests_that_exist():
    named = _TEST.findall(read("docs/promises.md"))
    chapters = re.findall(r"^## (I\d+) ", read("docs/promises.md"), re.MULTILINE)

    assert chapters == [f"I{n}" for n in range(1, 18)]
    assert len(named) > 40
    assert [f"{file}::{test}" for file, test in named if f"def {test}(" not in read(file)] == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_the_writing_is_calm(page):
    text = re.sub(r"```.*?```|`[^`]*`|^    .*$|!\[", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)

    assert "!" not in text


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_holds_no_rest_of_a_merge(page):
    assert re.findall(r"^(?:<{7} |={7}$|>{7} ).*", page.read_text(encoding="utf-8"), re.MULTILINE) == []


def test_every_flow_is_named_as_its_marked_words_say():
    """The flows know no language: what they are called is marked for the catalogues in the words of the pages."""
    from app.web.admin.words import TITLES

    assert {key: flow.title for key, flow in FLOWS.items()} == TITLES
