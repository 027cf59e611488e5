"""The form of a flow's waits and coupons: what was typed, what is wrong with it, and the flow it makes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from app.catalogues import noted
from app.domain.errors import Refused
from app.flows.edits import wait_before, with_coupon, with_wait
from app.flows.vocabulary import Flow, Send, Wait
from app.web.admin import show

UNITS = (noted("seconds"), noted("minutes"), noted("hours"), noted("days"))
MOST_DIGITS = 9  # more is no wait, and a number of thousands of digits takes seconds to read


@dataclass(slots=True, kw_only=True)
class MailFields:
    """The fields of one mail, as text: nothing that was typed is lost. `errors` are words, by the field they stand at."""

    send: Send
    wait: Wait | None
    after: str = ""
    unit: str = "hours"
    percent: str = ""
    valid_hours: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The name of the mail's step."""
        return self.send.key


def stored(flow: Flow) -> list[MailFields]:
    """Return the fields as the flow stands."""
    fields = []
    for send in flow.sends:
        mail = MailFields(send=send, wait=wait_before(flow, send.key))
        if mail.wait:
            count, mail.unit = show.split(mail.wait.length)
            mail.after = str(count)
        if send.coupon:
            mail.percent, mail.valid_hours = str(send.coupon.percent), str(send.coupon.valid_hours)
        fields.append(mail)
    return fields


def typed(flow: Flow, form: Mapping[str, str]) -> list[MailFields]:
    """Return the fields as somebody typed them; one that is not in the form stays as it was."""
    fields = stored(flow)
    for mail in fields:
        for name in ("after", "unit", "percent", "valid_hours"):
            setattr(mail, name, form.get(f"{mail.key}.{name}", getattr(mail, name)).strip()[:40])
    return fields


def changed(flow: Flow, fields: list[MailFields]) -> Flow | None:
    """Return the flow with these fields, or None when one is wrong; the words then stand in its `errors`."""
    new = flow
    for mail in fields:
        new = _with_wait(new, mail)
        new = _with_coupon(new, mail)
    if not any(mail.errors for mail in fields):
        _check_order(new, fields)
    return None if any(mail.errors for mail in fields) else new


def _with_wait(flow: Flow, mail: MailFields) -> Flow:
    if mail.wait is None:
        return flow
    if mail.unit not in UNITS:
        mail.errors["after"] = "Choose seconds, minutes, hours or days."
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


def _check_order(flow: Flow, fields: list[MailFields]) -> None:
    """Refuse a mail that would come no later than the one before: both waits count from the last change to the cart."""
    new = stored(flow)
    for earlier, later, shown in zip(new, new[1:], fields[1:], strict=False):
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
