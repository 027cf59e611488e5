"""The command line `cartwheel`: one file per noun. Data goes to standard output, progress and messages to standard error.

Exit codes: 0 done, 1 refused or not found, 2 used wrongly, 3 not ready or degraded. `docs/cli.md` lists the commands.
"""

import importlib
import os
import sys
import time
from typing import Any, NoReturn

import click

# Command -> where it lives. The modules are imported when asked for: `cartwheel web` must not load what `mail list` needs.
_COMMANDS = {
    "demo": "app.cli.serve:demo",
    "run": "app.cli.serve:run",
    "web": "app.cli.serve:web",
    "worker": "app.cli.serve:worker",
    "scheduler": "app.cli.serve:scheduler",
    "migrate": "app.cli.serve:migrate",
    "demo-shops": "app.cli.serve:demo_shops",
    "doctor": "app.cli.watch:doctor",
    "status": "app.cli.watch:status",
    "shop": "app.cli.shop:group",
    "flow": "app.cli.flow:group",
    "webhook": "app.cli.webhook:group",
    "mail": "app.cli.mail:group",
    "customer": "app.cli.customer:group",
    "reconcile": "app.cli.reconcile:command",
    "keys": "app.cli.keys:group",
    "plugin": "app.cli.plugin:group",
    "proof": "app.cli.proof:proof",
    "staff": "app.cli.staff:group",
}


class Told(click.ClickException):
    """A fault that we know: its message on standard error, no traceback."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance

    def show(self, file: Any = None) -> None:
        """Print the message as it was written."""
        click.echo(self.message, file=file, err=file is None)


class _Root(click.Group):
    """Imports a command when it is asked for, and is the door where known faults end."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[name].partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt):
            raise
        except Exception as exc:
            if told := _explain(exc):
                raise told from exc
            raise


def _explain(exc: Exception) -> Told | None:
    """Turn a known fault into its message; anything else is ours to mend and keeps its traceback."""
    from app.cli.boot import NotReady
    from app.config import BadSetting
    from app.domain.errors import CartwheelError

    if isinstance(exc, CartwheelError):
        return Told(str(exc), 3 if isinstance(exc, NotReady | BadSetting) else 1)
    # By name: importing SQLAlchemy and Redis to compare classes would make every small fault slow.
    match type(exc).__module__.partition(".")[0], type(exc).__name__:
        case (("sqlalchemy" | "psycopg"), ("OperationalError" | "ConnectionTimeout" | "TimeoutError")):
            return Told("The database does not answer. Start it, or correct DATABASE_URL; cartwheel doctor says more.", 3)
        case "sqlalchemy", "ProgrammingError" if "UndefinedTable" in str(exc):
            return Told("The database has no tables yet. Make them: cartwheel migrate", 3)
        case "redis", ("ConnectionError" | "TimeoutError" | "BusyLoadingError"):
            return Told("Redis does not answer. Start it, or correct REDIS_URL; cartwheel doctor says more.", 3)
    return None


@click.command(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cartwheel")
def cli() -> None:
    """Cartwheel: cart recovery and lifecycle e-mail for Shopify and WooCommerce shops.

    Exit codes: 0 done, 1 refused or not found, 2 used wrongly, 3 not ready or degraded.
    """


def main() -> NoReturn:
    """Run the command line, in UTC whatever the machine says."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    cli(prog_name="cartwheel")
    sys.exit(0)
