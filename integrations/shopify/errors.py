"""What Shopify can refuse beyond the house's own errors; the doors tell these apart."""

from dataclasses import dataclass

from app.domain.errors import CartwheelError, NotAllowed, Permanent, Transient


class Throttled(Transient):
    """The app asks this shop too much (429, THROTTLED): surely not done, so a mutation may be sent again too."""


class TooCostly(Permanent):
    """One query asks for more than Shopify gives at once (1000 points): ask for shorter pages."""


class TokenRefused(NotAllowed):
    """The access token is dead (401): refresh it once, then the shop must be connected again."""


class ShopGone(NotAllowed):
    """There is no such shop (any more), or the app is not in it (404)."""


class TokenDead(NotAllowed):
    """No token comes from this any more (invalid_grant, invalid_client): only a visit of the merchant mends it."""


class AppRefused(TokenDead):
    """Shopify does not know our client id and secret (invalid_client): a setting of ours may be wrong, for all shops."""


class StaleSessionToken(Permanent):
    """The session token went stale on its way (invalid_subject_token): the page must bring a fresh one.

    Source: shopify_app 1.0.2, exchange/token_exchange.py; answered like an invalid session token.
    """


class BadToken(CartwheelError):
    """A session token or a signed query that is not to be trusted, whatever is wrong with it."""


@dataclass(frozen=True, slots=True)
class UserError:
    """One of a mutation's complaints: its code (empty where the mutation has none) and the input it is about."""

    code: str
    field: str


class UserErrors(Permanent):
    """Shopify understood the mutation and refused it. Codes and fields only: the texts quote what was sent.

    Args:
        operation: its name.
        errors: at least one.
    """

    def __init__(self, operation: str, errors: tuple[UserError, ...]) -> None:
        told = ", ".join(f"{each.code or 'no code'} at {each.field or 'no field'}" for each in errors[:5])
        super().__init__(f"Shopify did not accept {operation} ({told}).")
        self.errors = errors

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes alone."""
        return tuple(each.code for each in self.errors)
