"""Tell robots from people: what opens every link of a mail is a scanner, and drives nothing."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

TOO_SOON = timedelta(seconds=10)  # after the hand-over; people need longer to find a mail
BURST = timedelta(seconds=5)
BURST_LINKS = 3  # different links of one mail within a burst
WALK = max(BURST, TOO_SOON)  # before and after the hidden link: whoever meets it opens the others in any order

# Words in the names of scanners, previewers and libraries. An empty name is one too: every browser has one.
_ROBOTS = re.compile(
    r"bot\b|bot/|crawl|spider|scan|preview|prefetch|fetch|slurp|monitor|headless|phantom|python|curl|wget|go-http|java/|okhttp"
    r"|libwww|httpclient|axios|node|ruby|perl|barracuda|mimecast|proofpoint|symantec|safelinks|microsoft office|bitdefender"
    r"|sophos|trendmicro|forcepoint|fireeye|cloudmark|facebookexternalhit|whatsapp|telegram|slack|skype|googleimageproxy",
    re.IGNORECASE,
)


class Machine(StrEnum):
    """Why an open or a click is taken for a robot's."""

    TOO_SOON = "too_soon"
    HIDDEN_LINK = "hidden_link"
    ROBOT = "robot"
    BURST = "burst"


@dataclass(frozen=True, slots=True)
class Visit:
    """A request for a link of a mail: which link, when, and whether it is the one that no person sees."""

    link_id: int | None
    at: datetime
    is_hidden: bool = False


def is_robot(agent: str, *, purpose: str = "") -> bool:
    """Say whether a visitor names itself a robot, or fetches ahead of somebody.

    Args:
        agent: its User-Agent.
        purpose: its Sec-Purpose or Purpose, which browsers set when they fetch ahead.
    """
    return not agent.strip() or bool(_ROBOTS.search(agent)) or "prefetch" in purpose.lower()


def why_machine(visit: Visit, earlier: Collection[Visit], *, sent_at: datetime | None, is_named: bool) -> Machine | None:
    """Return why a visit is a robot's, or None for a person's.

    Args:
        visit: the visit.
        earlier: the visits of the same mail before it.
        sent_at: when the mail was handed over; None while it still is.
        is_named: whether the visitor names itself a robot.
    """
    if any(v.is_hidden and visit.at - v.at <= WALK for v in (*earlier, visit)):
        return Machine.HIDDEN_LINK
    if is_named:
        return Machine.ROBOT
    if sent_at is None or visit.at - sent_at < TOO_SOON:
        return Machine.TOO_SOON
    links = {v.link_id for v in (*earlier, visit) if visit.at - v.at <= BURST and v.link_id is not None}
    return Machine.BURST if len(links) >= BURST_LINKS else None
