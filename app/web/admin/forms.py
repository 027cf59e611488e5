"""The form of a flow: who comes in, and of each mail its wait, its coupon and whom it is for; and the flow it makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from app.catalogues import noted
from app.domain.errors import Refused
from app.flows.edits import wait_before, with_audience, with_coupon, with_only, with_wait
from app.flows.vocabulary import Flow, Send, Wait
from app.web.admin import condition_form, show
from app.web.admin.condition_form import Conditions, LineFields

UNITS = (noted("seconds"), noted("minutes"), noted("hours"), noted("days"))
MOST_DIGITS = 9  # more is no wait, and a number of thousands of digits takes seconds to read


@dataclass(slots=True, kw_only=True)
class MailFields:
    """The fields of one mail, as text: nothing that was typed is lost. `errors` are words, by the field they stand at."""

    send: Send
    wait: Wait | None
    only: Conditions
    after: str = ""
    unit: str = "hours"
    percent: str = ""
    valid_hours: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name of the mail's step."""
        return self.send.key


@dataclass(slots=True, kw_only=True)
class FlowFields:
    """All fields of a flow. `focus` is the id of the field that somebody should go on with."""

    currency: str
    audience: Conditions
    mails: list[MailFields]
    focus: str = ""

    @property
    def lists(self) -> list[Conditions]:
        """All lists of conditions."""
        return [self.audience, *(mail.only for mail in self.mails)]


def stored(flow: Flow, currency: str) -> FlowFields:
    """Return the fields as the flow stands; the currency is the shop's, for amounts."""
    return FlowFields(
        currency=currency, audience=condition_form.stored(flow, None, currency), mails=_stored_mails(flow, currency)
    )


def _stored_mails(flow: Flow, currency: str) -> list[MailFields]:
    fields = []
    for send in flow.sends:
        only = condition_form.stored(flow, send, currency)
        mail = MailFields(send=send, wait=wait_before(flow, send.key), only=only)
        if mail.wait:
            count, mail.unit = show.split(mail.wait.length)
            mail.after = str(count)
        if send.coupon:
            mail.percent, mail.valid_hours = str(send.coupon.percent), str(send.coupon.valid_hours)
        fields.append(mail)
    return fields


def typed(flow: Flow, form: Mapping[str, str], currency: str) -> FlowFields:
    """Return the fields as somebody typed them; one that is not in the form stays as it was."""
    fields = stored(flow, currency)
    condition_form.typed(fields.audience, form)
    for mail in fields.mails:
        condition_form.typed(mail.only, form)
        for name in ("after", "unit", "percent", "valid_hours"):
            setattr(mail, name, form.get(f"{mail.key}.{name}", getattr(mail, name)).strip()[:40])
    return fields


def pressed(flow: Flow, fields: FlowFields, act: str, chosen: Mapping[str, str]) -> bool:
    """Do what a button said that saves nothing: `add:<list>`, `drop:<list>:<number>`; `look` only looks for what is wrong.

    Args:
        flow: as it stands.
        fields: what was typed; it is changed.
        act: the button's word; every other one is none of them.
        chosen: the form, for the condition that is to be added.
    """
    what, _, rest = act.partition(":")
    prefix, _, number = rest.partition(":")
    if what == "look":
        changed(flow, fields)
        fields.focus = fields.focus or "look"
        return True
    held = next((held for held in fields.lists if held.prefix == prefix), None)
    if held is None or what not in {"add", "drop"}:
        return False
    fields.focus = f"{prefix}-new"
    if what == "add" and not held.is_full and (name := chosen.get(f"{prefix}.new", "")) in held.choices:
        held.lines.append(LineFields(name=name))
        fields.focus = held.id(len(held.lines) - 1, "sign")
    if what == "drop" and number.isdecimal() and len(number) < 3 and int(number) < len(held.lines):
        del held.lines[int(number)]
    return True


def audience(flow: Flow, fields: FlowFields) -> Flow | None:
    """Return the flow with the conditions of entry that were typed, or None when they are wrong."""
    lines = condition_form.read(fields.audience, fields.currency)
    return None if lines is None else with_audience(flow, lines)


def changed(flow: Flow, fields: FlowFields) -> Flow | None:
    """Return the flow with these fields, or None when one is wrong; the words then stand beside it."""
    new = audience(flow, fields) or flow
    for mail in fields.mails:
        lines = condition_form.read(mail.only, fields.currency)
        new = with_only(new, mail.key, lines or ()) if lines is not None else new
        new = _with_coupon(_with_wait(new, mail), mail)
    if not any(mail.errors for mail in fields.mails):
        _check_order(new, fields)
    fields.focus = _first_wrong(fields)
    return None if fields.focus else new


def _first_wrong(fields: FlowFields) -> str:
    """Return the id of the first field that was refused, in the order of the page."""
    wrong = _wrong_in(fields.audience)
    for mail in fields.mails:
        wrong += [f"{mail.key}-{name}" for name in ("after", "unit", "percent", "valid_hours") if name in mail.errors]
        wrong += _wrong_in(mail.only)
    return wrong[0] if wrong else ""


def _wrong_in(held: Conditions) -> list[str]:
    wrong = [held.id(n, "sign" if line.takes == "nothing" else "value") for n, line in enumerate(held.lines) if line.error]
    return wrong or ([f"{held.prefix}-anyway"] if held.error else [])


def _with_wait(flow: Flow, mail: MailFields) -> Flow:
    if mail.wait is None:
        return flow
    if mail.unit not in UNITS:
        mail.errors["unit"] = "Choose seconds, minutes, hours or days."
        return flow
    count = _whole_number(mail, "after", mail.after)
    if count is None:
        return flow
    try:
        return with_wait(flow, mail.key, timedelta(**{mail.unit: count}))
    except Refused as refusal:
        mail.errors["after"] = str(refusal)
        return flow


def _with_coupon(flow: Flow, mail: MailFields) -> Flow:
    """Set the terms one after the other, so that a refusal is shown beside the term it is about."""
    terms = mail.send.coupon
    if terms is None:
        return flow
    percent = _whole_number(mail, "percent", mail.percent)
    hours = _whole_number(mail, "valid_hours", mail.valid_hours)
    for name, terms_to_try in (
        ("percent", percent is not None and (percent, terms.valid_hours)),
        ("valid_hours", hours is not None and (terms.percent, hours)),
    ):
        if terms_to_try:
            try:
                with_coupon(flow, mail.key, *terms_to_try)
            except Refused as refusal:
                mail.errors[name] = str(refusal)
    if percent is None or hours is None or mail.errors.keys() & {"percent", "valid_hours"}:
        return flow
    return with_coupon(flow, mail.key, percent, hours)


def _check_order(flow: Flow, fields: FlowFields) -> None:
    """Refuse a mail that would come no later than the one before: both waits count from the last change to the cart."""
    new = stored(flow, fields.currency).mails
    for earlier, later, shown in zip(new, new[1:], fields.mails[1:], strict=False):
        if not (earlier.wait and later.wait) or {earlier.wait.since, later.wait.since} != {"last_activity"}:
            continue
        if later.wait.length <= earlier.wait.length:
            shown.errors["after"] = (
                f"Choose more than {show.in_words(earlier.wait.length)}, the wait of the mail before: "
                "both count from the last change to the cart."
            )


def _whole_number(mail: MailFields, name: str, text: str) -> int | None:
    if text.isdecimal() and len(text) <= MOST_DIGITS:
        return int(text)
    mail.errors[name] = "Write a whole number, such as 24." if text else "Write a number here, such as 24."
    return None
