"""Pages for shoppers, reached by the links in mails. GET shows, POST acts: scanners fetch every link (I14)."""

from app.web.public import opt_in, preferences, survey, tracking, unsubscribe
from app.web.public.door import blueprint

__all__ = ["blueprint", "opt_in", "preferences", "survey", "tracking", "unsubscribe"]
