"""`cartwheel keys`: the keys that secrets are kept under."""

import secrets

import click

from app.cli.output import emit, json_option

KEY_BYTES = 32


@click.group("keys")
def group() -> None:
    """Make the keys that secrets are kept under."""


@group.command()
@json_option
def new(as_json: bool) -> None:
    """Print a new random key for CARTWHEEL_SECRET_KEYS.

    Put it first in the list and keep the old ones behind it: the first key encrypts, all of them decrypt.
    """
    key = secrets.token_urlsafe(KEY_BYTES)
    if as_json:
        emit({"key": key}, as_json=True)
    else:
        click.echo(key)
