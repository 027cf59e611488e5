"""How commands speak: data on standard output, for people or as JSON; messages and progress on standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:  # Rich is imported where it draws: the processes that never end draw nothing
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

Row = Mapping[str, Any]
F = TypeVar("F", bound=Callable[..., Any])

_WIDE = 200  # columns where no terminal says how wide it is; a narrow guess would cut what a script reads


def json_option(command: F) -> F:
    """Give a command the option --json: one object, or one object a line for lists."""
    words = "Print JSON: one object, or one per line for lists."
    return click.option("--json", "as_json", is_flag=True, help=words)(command)


def emit(row: Row, *, as_json: bool) -> None:
    """Print one object: as JSON, or one line for each of its values."""
    if as_json:
        click.echo(_json(row))
        return
    from rich.text import Text

    table = _table(show_header=False)
    for name, value in row.items():
        table.add_row(Text(name.replace("_", " "), style="dim"), _text(value))
    _stdout().print(table)


def emit_list(rows: Iterable[Row], *, as_json: bool, columns: Sequence[str], nothing: str) -> None:
    """Print a list: every value as JSON lines, or the given columns as a table; `nothing` is said when it is empty."""
    if as_json:
        for row in rows:
            click.echo(_json(row))
        return
    rows = list(rows)
    if not rows:
        say(nothing)
        return
    from rich.text import Text

    table = _table(show_header=True)
    for name in columns:
        table.add_column(Text(name.replace("_", " ")), overflow="fold")
    for row in rows:
        table.add_row(*(_text(row[name]) for name in columns))
    _stdout().print(table)


def say(message: str) -> None:
    """Tell the person something that is not data."""
    click.echo(message, err=True)


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error, or one line at the end when that is no terminal; call what it gives to advance.

    Without a total the bar only tells that something moves.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=False, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        done = 0

        def advance(by: int) -> None:
            nonlocal done
            done += by
            bar.advance(task, by)

        yield advance
    if not console.is_terminal:
        say(f"{what}: {done}" if total is None else f"{what}: {done} of {total}")


def printable(value: object) -> str:
    """Return text that cannot steer a terminal: a webhook's topic is a stranger's words."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in str(value))


def _json(row: Row) -> str:
    return json.dumps(row, default=_plain)


def _plain(value: object) -> object:
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _:
            return str(value)


def _text(value: object) -> "Text":
    from rich.text import Text

    match value:
        case None:
            return Text("-", style="dim")
        case bool():
            return Text("yes" if value else "no")
        case datetime():
            return Text(f"{value:%Y-%m-%d %H:%M:%S}")
        case dict() | list():
            return Text(printable(json.dumps(value, default=_plain, ensure_ascii=False)))
        case _:
            return Text(printable(value))


def _table(*, show_header: bool) -> "Table":
    from rich.table import Table

    return Table(box=None, show_header=show_header, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))


def _stdout() -> "Console":
    from rich.console import Console

    # Made for each print: click's test runner and pipes exchange sys.stdout.
    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False, markup=False, emoji=False)
