"""The GraphQL documents in `operations/`, and which of them may be sent twice."""

import re
from functools import cache
from importlib.resources import files
from typing import Final

# Mutations that do no more the second time than the first, by what Shopify's schema says of them:
# a tag that is there is not added again; a consent is set, not toggled; a code that is off stays off; and a code that
# is taken is answered TAKEN, after which integrations/shopify/coupons.py finds the coupon of the first call.
REPEATABLE_MUTATIONS: Final = frozenset({"ConsentUpdate", "CouponCreate", "CouponDeactivate", "TagsAdd", "TagsRemove"})
_KIND = re.compile(r"^(query|mutation)\b", re.MULTILINE)


@cache
def operation_text(operation: str) -> str:
    """Return the text of `operations/<operation>.graphql`."""
    return (files("integrations.shopify.operations") / f"{operation}.graphql").read_text(encoding="utf-8")


@cache
def is_query(operation: str) -> bool:
    """Say whether the operation only reads."""
    kind = _KIND.search(operation_text(operation))
    return kind is not None and kind[1] == "query"


def is_repeatable(operation: str) -> bool:
    """Say whether the operation may be sent again when nobody knows what became of it."""
    return is_query(operation) or operation in REPEATABLE_MUTATIONS
