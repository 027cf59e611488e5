"""`cartwheel staff`: who of ours may use the desk."""

import click

from app.cli.facts import address
from app.cli.output import Row, emit, emit_list, json_option
from app.cli.scope import actor, transaction
from app.config import settings
from app.models import Role, Staff
from app.services import signin
from app.services import staff as team

COLUMNS = ("id", "email", "role", "seen_at", "disabled_at")


@click.group("staff")
def group() -> None:
    """Invite staff to the desk, list them, shut them out."""


@group.command()
@click.argument("email", callback=address)
@click.option("--role", type=click.Choice([r.value for r in Role]), default=Role.SUPPORT, show_default=True)
@json_option
def invite(email: str, role: str, as_json: bool) -> None:
    """Let somebody in, and print the link that does it once, within a day. Again: a new link, and the role given now.

    A viewer looks, with people masked; support acts for shops; an admin also invites and shuts out.
    """
    with transaction() as (session, _):
        token = team.invite(session, email, Role(role), actor=actor(), now=signin.real_now(session))
    emit({"email": email, "role": role, "link": f"{settings().public_url}/support/sign-in/{token}"}, as_json=as_json)


@group.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List everybody who was ever invited."""
    with transaction() as (session, _):
        rows = [_row(person) for person in team.everybody(session)]
    emit_list(rows, as_json=as_json, columns=COLUMNS, nothing="Nobody yet: cartwheel staff invite EMAIL --role admin")


@group.command()
@click.argument("staff_id", type=int, metavar="ID")
@json_option
def disable(staff_id: int, as_json: bool) -> None:
    """Shut somebody out, from their next click on."""
    with transaction() as (session, _):
        row = _row(team.disable(session, staff_id, actor=actor(), now=signin.real_now(session)))
    emit(row, as_json=as_json)


def _row(person: Staff) -> Row:
    return {
        "id": person.id,
        "email": person.email,
        "role": person.role,
        "invited_by": person.invited_by,
        "created_at": person.created_at,
        "seen_at": person.seen_at,
        "disabled_at": person.disabled_at,
    }
