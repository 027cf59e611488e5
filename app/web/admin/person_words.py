"""Our words for people: what they consented to, what happened to them, why they are not in a flow."""

from flask_babel import gettext as _

from app.catalogues import noted
from app.domain.events import ConsentState
from app.flows.engine import OLDEST_START, Exit, Outside, SkipEmail
from app.flows.outlook import Coming
from app.flows.vocabulary import Flow
from app.models import DeliveryState
from app.services.standing import Run
from app.services.timeline import Kind
from app.web.admin import words
from app.web.admin.show import in_words
from app.web.admin.words import Badge

CONSENTS = {
    ConsentState.SUBSCRIBED: Badge(noted("Agreed"), "ok"),
    ConsentState.PENDING: Badge(noted("Asked"), "info"),
    ConsentState.UNSUBSCRIBED: Badge(noted("Unsubscribed"), "crit"),
    ConsentState.NONE: Badge(noted("Never asked"), "hollow"),
}
SOURCES = {
    "checkout": noted("ticked at a checkout"),
    "platform": noted("as the list of the shop says"),
    "form": noted("on the sign-up form"),
    "double_opt_in": noted("by the link in the confirming mail"),
    "one_click": noted("with the unsubscribe button of their mail program"),
    "page": noted("on the unsubscribe page"),
    "preferences": noted("on the page of their preferences"),
    "import": noted("by an import"),
}
LEVELS = {"single_opt_in": noted("not confirmed by mail"), "confirmed_opt_in": noted("confirmed by mail")}
KINDS = {
    Kind.CHECKOUT: noted("Carts"),
    Kind.ORDER: noted("Orders"),
    Kind.PARCEL: noted("Parcels"),
    Kind.DECISION: noted("Decisions"),
    Kind.MAIL: noted("Mails"),
    Kind.CLICK: noted("Clicks"),
    Kind.ANSWER: noted("Answers"),
    Kind.CONSENT: noted("Consent"),
}
_OUTSIDE = {
    "flow_off": noted("The flow is paused: nobody enters it."),
    "in_it": noted("They are in it now."),
    "was_in_it": noted("They were in it for this already, and nobody enters twice for the same reason."),
}


def consent(state: str) -> Badge:
    """Say what somebody consented to."""
    return CONSENTS.get(ConsentState(state), Badge(state)) if state in set(ConsentState) else Badge(state)


def source(name: str) -> str:
    """Say where a consent was given or taken back."""
    return _(SOURCES[name]) if name in SOURCES else name.replace("_", " ")


def outside(flow: Flow, why: Outside) -> str:
    """Say why somebody does not enter a flow."""
    begins = words.trigger(flow)
    if why.reason == "not_begun":
        return str(_("What it begins with has not happened: %(what)s.", what=begins[0].lower() + begins[1:]))
    if why.reason == "begun_long_ago":
        length = in_words(OLDEST_START)
        return str(_("What it begins with is more than %(length)s old: nobody is mailed about old news.", length=length))
    if why.reason == "does_not_fit":
        unmet = "; ".join(words.condition(each) for each in why.unmet)
        return str(_("This does not hold: %(what)s.", what=unmet))
    return _(_OUTSIDE[why.reason]) if why.reason in _OUTSIDE else words.reason(why.reason)


def follows(run: Run) -> list[tuple[str, object, str]]:
    """Say what is still to come in a run: what, when, and why it will not be sent, where it will not."""
    told = [_under_way(mail.step, mail.state, mail.due_at, mail.reason) for mail in run.mails]
    if run.holds:
        return [*told, (_("Nothing moves for now"), None, words.reason(run.holds))]
    return told + [line for each in run.coming if (line := _coming(each)) is not None]


def _under_way(step: str, state: str, due_at: object, reason: str | None) -> tuple[str, object, str]:
    if state == DeliveryState.SENDING:
        return words.step(step), None, _("Being handed over at this moment; it cannot be stopped any more")
    return words.step(step), due_at, words.reason(reason) if reason else _("In the ledger, waiting to leave")


def _coming(each: Coming) -> tuple[str, object, str] | None:
    if isinstance(each, Exit):
        return _("They leave the flow"), None, words.reason(each.reason)
    why = _("Will not be sent: %(why)s", why=words.reason(each.reason)) if isinstance(each, SkipEmail) else ""
    return words.step(each.step), each.due_at, why
