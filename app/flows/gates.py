"""The consent gate of every flow: one table, and two pure questions that the engine asks at a step and inside the claim.

A flow of another name has the strictest gate of its class. Source of the rows: the rule per built-in flow (docs/consent.md).
"""

from dataclasses import dataclass
from datetime import datetime

from app.domain.consent import GAPS, Basis, ConsentMode, MessageClass, Permission, basis
from app.domain.events import ConsentState
from app.domain.sunset import Sunset, sunset
from app.flows.snapshot import Snapshot

_EXPRESS = frozenset({Basis.EXPRESS})
_BUYER = frozenset({Basis.EXPRESS, Basis.SOFT})
_ANY = frozenset({Basis.EXPRESS, Basis.SOFT, Basis.IMPLIED, Basis.OPT_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a mail needs. `grounds` counts in the regional mode; among subscribers only, it is express consent alone."""

    kind: MessageClass = MessageClass.MARKETING
    topic: str | None = None
    grounds: frozenset[Basis] = _EXPRESS
    is_express_always: bool = False  # no mode loosens it
    needs_birthday: bool = False
    needs_watching: bool = False
    asks_again: bool = False  # whether mail is still wanted: goes once to who has been silent for long

    @property
    def has_one_click(self) -> bool:
        """Whether the mail carries the one-click unsubscribe of RFC 8058."""
        return self.kind is MessageClass.MARKETING


TRANSACTIONAL = Gate(kind=MessageClass.TRANSACTIONAL)
STRICTEST = Gate(is_express_always=True)

PROMOTION = "promotion"  # the gate of whatever a transactional flow mails as marketing

# By flow, or by "flow/step" where a mail differs from its flow.
GATES: dict[str, Gate] = {
    "abandoned_cart": Gate(topic="cart", grounds=_ANY),
    "abandon_survey": Gate(topic="cart", grounds=_ANY),
    "abandon_survey_followup": Gate(topic="cart", grounds=_ANY),
    "browse_abandonment": Gate(topic="recommendations", is_express_always=True, needs_watching=True),
    "post_purchase": TRANSACTIONAL,
    f"post_purchase/{PROMOTION}": Gate(topic="recommendations", is_express_always=True),
    "review_request": Gate(topic="reviews", grounds=_BUYER),
    "vip": Gate(topic="news", grounds=_BUYER),
    "double_opt_in": TRANSACTIONAL,
    "welcome": Gate(topic="news", is_express_always=True),
    "win_back": Gate(topic="win_back", grounds=_BUYER),
    "cross_sell": Gate(topic="recommendations", grounds=_BUYER),
    "birthday": Gate(topic="birthday", is_express_always=True, needs_birthday=True),
    "feedback_recovery": TRANSACTIONAL,
    "order_updates": TRANSACTIONAL,
    "subscription_renewal": TRANSACTIONAL,
    "failed_payment": TRANSACTIONAL,
    "renewal_upsell": Gate(topic="recommendations", is_express_always=True),
    "re_permission": Gate(topic="news", is_express_always=True, asks_again=True),
}


def gate_of(flow: str, step: str | None = None, kind: MessageClass | str | None = None) -> Gate:
    """Return the gate of a mail.

    Args:
        flow: the flow's key.
        step: the mail's name in it.
        kind: what the merchant's version of the flow says. It can make a mail stricter, never looser: a flow that is
            marketing in the table stays marketing, whatever its tree says.
    """
    found = GATES.get(f"{flow}/{step}") or GATES.get(flow)
    if found is None:
        return TRANSACTIONAL if kind == MessageClass.TRANSACTIONAL else STRICTEST
    if kind == MessageClass.MARKETING and found.kind is MessageClass.TRANSACTIONAL:
        return GATES.get(f"{flow}/{PROMOTION}", STRICTEST)
    return found


def why_unwanted(gate: Gate, snapshot: Snapshot) -> str | None:
    """Return the reason never to mail this again, which ends the run, or None."""
    if gate.kind is MessageClass.TRANSACTIONAL:
        return snapshot.permission.blocked
    if snapshot.suppressed:
        return snapshot.suppressed
    return "unsubscribed" if snapshot.consent is ConsentState.UNSUBSCRIBED else None


def why_closed(gate: Gate, snapshot: Snapshot, *, now: datetime) -> str | None:
    """Return the reason not to send this one mail, or None; the person stays in the flow."""
    if gate.kind is MessageClass.TRANSACTIONAL:
        return None
    known = snapshot.permission
    return (
        snapshot.suppressed
        or _without_ground(gate, snapshot.consent, known, now)
        or _chosen_off(gate, known, now)
        or _unknown(gate, known)
        or _silent(gate, known, now)
    )


def _without_ground(gate: Gate, state: ConsentState, known: Permission, now: datetime) -> str | None:
    ground = basis(state, known, now=now)
    is_strict = gate.is_express_always or known.mode is ConsentMode.SUBSCRIBERS
    # Where a shop mails everybody who did not refuse, that is ground enough wherever a buyer's is.
    grounds = _EXPRESS if is_strict else _ANY if known.mode is ConsentMode.ANYONE else gate.grounds
    if ground in grounds:
        return None
    is_waiting = state is ConsentState.PENDING or (state is ConsentState.SUBSCRIBED and known.needs_confirmation)
    return "not_confirmed" if is_waiting else "not_subscribed"


def _chosen_off(gate: Gate, known: Permission, now: datetime) -> str | None:
    if gate.topic in known.topics_off:
        return "topic_off"
    if known.paused_until and now < known.paused_until:
        return "paused_by_person"
    is_too_soon = known.mailed_at is not None and now - known.mailed_at < GAPS[known.frequency]
    return "asked_for_less" if is_too_soon else None


def _unknown(gate: Gate, known: Permission) -> str | None:
    if gate.needs_birthday and not known.has_birthday:
        return "no_birthday"
    return "not_watched" if gate.needs_watching and not known.may_be_watched else None


def _silent(gate: Gate, known: Permission, now: datetime) -> str | None:
    """Say that somebody has been mailed for long without a sign of life."""
    silence = known.silence
    if silence is None or (gate.asks_again and silence.asked_at is None):
        return None
    return "silent" if sunset(silence, now=now) is Sunset.HOLD else None
