"""Our words for people: what they consented to, what happened to them, why they are not in a flow."""

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
    ConsentState.SUBSCRIBED: Badge("Agreed", "ok"),
    ConsentState.PENDING: Badge("Asked", "info"),
    ConsentState.UNSUBSCRIBED: Badge("Unsubscribed", "crit"),
    ConsentState.NONE: Badge("Never asked", "hollow"),
}
SOURCES = {
    "checkout": "ticked at a checkout",
    "platform": "as the list of the shop says",
    "form": "on the sign-up form",
    "double_opt_in": "by the link in the confirming mail",
    "one_click": "with the unsubscribe button of their mail program",
    "page": "on the unsubscribe page",
    "preferences": "on the page of their preferences",
    "import": "by an import",
}
LEVELS = {"single_opt_in": "not confirmed by mail", "confirmed_opt_in": "confirmed by mail"}
KINDS = {
    Kind.CHECKOUT: "Carts",
    Kind.ORDER: "Orders",
    Kind.PARCEL: "Parcels",
    Kind.DECISION: "Decisions",
    Kind.MAIL: "Mails",
    Kind.CLICK: "Clicks",
    Kind.ANSWER: "Answers",
    Kind.CONSENT: "Consent",
}
_OUTSIDE = {
    "flow_off": "The flow is paused: nobody enters it.",
    "in_it": "They are in it now.",
    "was_in_it": "They were in it for this already, and nobody enters twice for the same reason.",
}


def consent(state: str) -> Badge:
    """Say what somebody consented to."""
    return CONSENTS.get(ConsentState(state), Badge(state)) if state in set(ConsentState) else Badge(state)


def source(name: str) -> str:
    """Say where a consent was given or taken back."""
    return SOURCES.get(name) or name.replace("_", " ")


def outside(flow: Flow, why: Outside) -> str:
    """Say why somebody does not enter a flow."""
    begins = words.trigger(flow)
    if why.reason == "not_begun":
        return f"What it begins with has not happened: {begins[0].lower()}{begins[1:]}."
    if why.reason == "begun_long_ago":
        return f"What it begins with is more than {in_words(OLDEST_START)} old: nobody is mailed about old news."
    if why.reason == "does_not_fit":
        return f"This does not hold: {'; '.join(words.condition(each) for each in why.unmet)}."
    return _OUTSIDE.get(why.reason) or words.reason(why.reason)


def follows(run: Run) -> list[tuple[str, object, str]]:
    """Say what is still to come in a run: what, when, and why it will not be sent, where it will not."""
    told = [_under_way(mail.step, mail.state, mail.due_at, mail.reason) for mail in run.mails]
    if run.holds:
        return [*told, ("Nothing moves for now", None, words.reason(run.holds))]
    return told + [line for each in run.coming if (line := _coming(each)) is not None]


def _under_way(step: str, state: str, due_at: object, reason: str | None) -> tuple[str, object, str]:
    if state == DeliveryState.SENDING:
        return words.step(step), None, "Being handed over at this moment; it cannot be stopped any more"
    return words.step(step), due_at, words.reason(reason) if reason else "In the ledger, waiting to leave"


def _coming(each: Coming) -> tuple[str, object, str] | None:
    if isinstance(each, Exit):
        return "They leave the flow", None, words.reason(each.reason)
    why = f"Will not be sent: {words.reason(each.reason)}" if isinstance(each, SkipEmail) else ""
    return words.step(each.step), each.due_at, why
