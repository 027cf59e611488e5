"""What we sell: one file per flow, and the list of them."""

from app.flows import abandoned_cart, double_opt_in, post_purchase, re_permission, review_request, vip, welcome
from app.flows.conditions import check
from app.flows.vocabulary import Flow, from_json

_ALL = (
    abandoned_cart.FLOW, double_opt_in.FLOW, welcome.FLOW, post_purchase.FLOW, review_request.FLOW, vip.FLOW,
    re_permission.FLOW,
)  # fmt: skip
FLOWS: dict[str, Flow] = {flow.key: flow for flow in _ALL}


def read_flow(tree: object) -> Flow:
    """Read a flow from its JSON data, conditions checked.

    Raises:
        Refused: it is not a flow; the message says where and why.
    """
    return check(from_json(tree))
