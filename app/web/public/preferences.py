"""The preference page behind every mail's link: topics, how often, a pause, the language, the birthday. No script."""

from flask import request
from flask.typing import ResponseReturnValue

from app import clock
from app.catalogues import noted
from app.db import sessions
from app.domain.consent import TOPICS, Frequency
from app.domain.errors import Refused
from app.services import preferences
from app.services.preferences import Choice, Chosen
from app.web.guards import Guard, guarded
from app.web.public.door import blueprint, language_of, show
from app.web.public.language import LANGUAGES, Language


@blueprint.get("/p/<token>")
@guarded(Guard.TOKEN)
def preferences_page(token: str) -> ResponseReturnValue:
    """Show what holds."""
    with sessions().begin() as session:
        chosen = preferences.find(session, token, now=clock.now(session))
    return _page(chosen, token)


@blueprint.post("/p/<token>")
@guarded(Guard.TOKEN)
def save_preferences(token: str) -> ResponseReturnValue:
    """Keep what was chosen, or subscribe again, and show what holds now."""
    form = request.form
    try:
        with sessions().begin() as session:
            now = clock.now(session)
            if "agree" in form:
                language = language_of()
                chosen = preferences.agree(session, token, wording=language.say(AGREE), now=now)
            else:
                chosen = preferences.save(session, token, _choice(), now=now)
    except (Refused, ValueError):
        with sessions().begin() as session:
            chosen = preferences.find(session, token, now=clock.now(session))
        return _page(chosen, token, saved=False, status=422)
    return _page(chosen, token, saved=True)


AGREE = noted("Yes, send me offers and reminders again")


def _choice() -> Choice:
    form = request.form
    month, day = form.get("birth_month", ""), form.get("birth_day", "")
    birthday = f"{month}-{day}" if month or day else "" if "forget_birthday" in form else None
    return Choice(
        topics_off=frozenset(TOPICS) - frozenset(form.getlist("topic")),
        frequency=Frequency(form.get("frequency", "all")),
        is_paused="pause" in form,
        locale=form.get("lang") if form.get("lang") in LANGUAGES else None,
        birthday=birthday,
    )


def _page(chosen: Chosen | None, token: str, *, saved: bool | None = None, status: int = 200) -> ResponseReturnValue:
    language = language_of(chosen.locale if chosen else None)
    shop = chosen.subscription.shop if chosen else None
    return show(
        "preferences.html", shop, language, status=status, chosen=chosen, token=token, saved=saved, agree=AGREE,
        topics=TOPICS, months=_months(language), paused_until=_day(chosen, language),
    )  # fmt: skip


def _months(language: Language) -> list[tuple[str, str]]:
    from babel.dates import get_month_names

    names = get_month_names("wide", context="stand-alone", locale=language.tag.replace("-", "_"))
    return [(f"{number:02}", str(names[number])) for number in range(1, 13)]


def _day(chosen: Chosen | None, language: Language) -> str:
    from babel.dates import format_date

    if chosen is None or chosen.paused_until is None:
        return ""
    return format_date(chosen.paused_until, "long", locale=language.tag.replace("-", "_"))
