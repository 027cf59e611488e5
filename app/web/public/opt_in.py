"""The link that proves an address, and the sign-up form that asks for one. GET shows, POST acts (I14)."""

from flask import Response, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from app import clock
from app.catalogues import noted
from app.db import sessions
from app.domain.people import normalise_email
from app.models import Shop
from app.services import mail_rules, opt_in
from app.services.mail_rules import Rules
from app.services.opt_in import Question, SignUp
from app.web.errors import page
from app.web.guards import Guard, guarded
from app.web.public.door import blueprint, language_of, show
from app.web.public.language import Language

WORDING = noted("Send me reminders and offers by e-mail. I can stop at any time.")
TRAP = "website"  # a field that no person sees; who fills it is a robot
PAGE_LIMIT = 300  # characters of the address of the page that a form stands on


@blueprint.get("/d/<token>")
@guarded(Guard.TOKEN)
def ask_to_confirm(token: str) -> ResponseReturnValue:
    """Show the page with its one button; a scanner that opens it confirms nothing."""
    with sessions().begin() as session:
        found = opt_in.find(session, token, now=clock.now(session))
    return _confirm_page(found, token)


@blueprint.post("/d/<token>")
@guarded(Guard.TOKEN)
def confirm(token: str) -> ResponseReturnValue:
    """Subscribe the address that the link proves."""
    with sessions().begin() as session:
        found = opt_in.confirm(session, token, now=clock.now(session))
    return _confirm_page(found, token)


@blueprint.get("/signup/<token>")
@guarded(Guard.TOKEN)
def sign_up_form(token: str) -> ResponseReturnValue:
    """Show the form by itself, to be linked to or put into a frame of the shop's own page."""
    with sessions().begin() as session:
        found = _shop(session, token)
    return _form_page(found, token, "ask") if found else page(404)


@blueprint.post("/signup/<token>")
@guarded(Guard.TOKEN)
def sign_up(token: str) -> ResponseReturnValue:
    """Take a sign-up in. Whether the address is known, refused or asked today, the answer is the same."""
    email = normalise_email(request.form.get("email", "")[:300])
    with sessions().begin() as session:
        found = _shop(session, token)
        if found and email and not request.form.get(TRAP):
            opt_in.sign_up(session, found[0], found[1], _asked(email, found), now=clock.now(session))
    if found is None:
        return page(404)
    return _form_page(found, token, "sent" if email else "wrong")


def _shop(session: Session, token: str) -> tuple[Shop, Rules] | None:
    found = mail_rules.by_form(session, token)
    shop = session.get(Shop, found[0]) if found else None
    return (shop, found[1]) if shop and found and shop.is_active else None


def _asked(email: str, found: tuple[Shop, Rules]) -> SignUp:
    language = language_of(found[0].locale)
    return SignUp(
        email=email,
        wording=_wording(found[1], language),
        locale=language.tag,
        address=request.remote_addr or "",
        page=(request.referrer or "")[:PAGE_LIMIT],
    )


def _wording(rules: Rules, language: Language) -> str:
    return rules.form_wording or language.say(WORDING)


def _confirm_page(found: Question, token: str) -> ResponseReturnValue:
    language = language_of(found.locale)
    return show(
        "confirm.html",
        found.shop,
        language,
        answer=found.answer.value,
        token=token,
        wording=found.wording or language.say(WORDING),
    )


def _form_page(found: tuple[Shop, Rules], token: str, state: str) -> Response:
    shop, rules = found
    language = language_of(shop.locale)
    response = show(
        "signup.html", shop, language, status=422 if state == "wrong" else 200, state=state, token=token, trap=TRAP,
        wording=_wording(rules, language),
    )  # fmt: skip
    # The one page that may stand in a frame: in the shop's own.
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors 'self' {shop.url}"
    )
    return response
