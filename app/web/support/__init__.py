"""The desk: our own staff look after all shops. Importing it registers all its doors."""

from app.web.support import audit, home, mails, people, proof, replays, signin, team, webhooks
from app.web.support.door import blueprint

__all__ = ["audit", "blueprint", "home", "mails", "people", "proof", "replays", "signin", "team", "webhooks"]
