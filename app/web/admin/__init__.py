"""The merchant's pages: flows, mails, webhooks, and the way in."""

from app.web.admin import flows, mails, signin, webhooks  # noqa: F401  (their routes hang on the blueprint)
from app.web.admin.door import blueprint

__all__ = ["blueprint"]
