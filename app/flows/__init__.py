"""What we sell: one file per flow, and the list of them."""

from app.flows import abandoned_cart, double_opt_in
from app.flows.conditions import check
from app.flows.vocabulary import Flow, from_json

FLOWS: dict[str, Flow] = {flow.key: flow for flow in (abandoned_cart.FLOW, double_opt_in.FLOW)}


def read_flow(tree: object) -> Flow:
    """Read a flow from its JSON data, conditions checked.

    Raises:
        Refused: it is not a flow; the message says where and why.
    """
    return check(from_json(tree))
