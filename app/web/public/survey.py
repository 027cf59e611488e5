"""The stars of a mail: GET shows a page with the chosen ones marked, the button answers. Robots open every link."""

from flask import Response, abort, request
from flask.typing import ResponseReturnValue

from app import clock
from app.db import sessions
from app.services import answers
from app.services.answers import SCORES, WORDS_LIMIT, Question
from app.web.guards import Guard, guarded
from app.web.public.door import blueprint, language_of, show


@blueprint.get("/s/<token>")
@guarded(Guard.TOKEN)
def stars(token: str) -> ResponseReturnValue:
    """Show the page; the stars that were clicked are chosen on it, and nothing is kept."""
    with sessions().begin() as session:
        found = answers.find(session, token)
    chosen = request.args.get("stars", type=int)
    return _page(found, token, state="ask" if found else "unknown", chosen=chosen if chosen in SCORES else None)


@blueprint.post("/s/<token>")
@guarded(Guard.TOKEN)
def answer(token: str) -> ResponseReturnValue:
    """Keep the answer."""
    score = request.form.get("stars", type=int)
    if score is None or score not in SCORES:
        with sessions().begin() as session:
            found = answers.find(session, token)
        return _page(found, token, state="ask" if found else "unknown", chosen=None, is_missing=True)
    words = request.form.get("words", "")
    if len(words) > 2 * WORDS_LIMIT:  # a page's own form cannot send more
        abort(413)
    with sessions().begin() as session:
        found = answers.record(session, token, score=score, words=words, now=clock.now(session))
    return _page(found, token, state="done" if found else "unknown", chosen=score)


def _page(found: Question | None, token: str, *, state: str, chosen: int | None, is_missing: bool = False) -> Response:
    told = found.answer if found else None
    return show(
        "survey.html",
        found.shop if found else None,
        language_of(found.locale if found else None),
        status=422 if is_missing and found else 200,
        state=state,
        token=token,
        order_number=found.order_number if found else "",
        chosen=chosen or (told.score if told else None),
        words=told.words if told and told.words else "",
        is_missing=is_missing,
        is_low=bool(told and told.is_low),
        scores=[*reversed(SCORES)],
        limit=WORDS_LIMIT,
    )
