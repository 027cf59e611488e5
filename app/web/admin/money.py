"""What the flows earned: first beyond what would have come anyway, with how sure that is; then what is credited to mails."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from flask import g, render_template
from flask.typing import ResponseReturnValue

from app.services import comparison, statistics
from app.services.comparison import Comparison
from app.services.statistics import Earned
from app.web.admin import words
from app.web.admin.door import blueprint, opened
from app.web.guards import Guard, guarded, shop_id


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyRow:
    """One flow: the comparison with the held-out group, None while nobody is counted; and what is credited to its mails."""

    flow: str
    title: str
    compared: Comparison | None
    credited: list[tuple[str, int, int]]  # currency, minor units, orders


@blueprint.get("/money")
@guarded(Guard.MERCHANT)
def money() -> ResponseReturnValue:
    """Show every flow that earned, or is being watched."""
    with opened() as session:
        compared = comparison.kept(session, shop_id())
        since = (g.frame.now - comparison.PERIOD).date()
        credited = _by_flow(statistics.earned(session, shop_id(), since=since))
    rows = [
        MoneyRow(flow=key, title=title, compared=compared.get(key), credited=credited.get(key, []))
        for key, title in words.titles().items()
        if key in compared or key in credited
    ]
    return render_template("admin/money.html", rows=rows, watched=comparison.WATCHED, period=comparison.PERIOD, words=words)


def _by_flow(earned: Sequence[Earned]) -> dict[str, list[tuple[str, int, int]]]:
    sums: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for each in earned:
        total = sums[each.flow][each.currency]
        total[0] += each.revenue_minor
        total[1] += each.orders
    return {flow: [(currency, minor, orders) for currency, (minor, orders) in of.items()] for flow, of in sums.items()}
