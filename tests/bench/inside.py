"""What a page does inside: its statements, their plans, and how long its template alone takes; asked in this process."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from flask import template_rendered
from flask.testing import FlaskClient
from sqlalchemy import event

from tests.bench.page_list import Page

TIMES = 5  # each template is rendered


@dataclass(frozen=True, slots=True)
class Inside:
    """One page: how many statements it sends, and the milliseconds of its template alone."""

    statements: int
    template: float


@dataclass(slots=True)
class _Watch:
    """Keeps what one request did."""

    statements: int = 0
    plans: list[str] = field(default_factory=list)
    template: float = 0.0
    is_explaining: bool = False

    def statement(self, _connection: Any, cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        """Count a statement, and perhaps have it explained as the role that sends it."""
        self.statements += 1
        if self.is_explaining and statement.lstrip().upper().startswith(("SELECT", "WITH")):
            with cursor.connection.cursor() as other:
                other.execute(f"EXPLAIN (ANALYZE, BUFFERS) {statement}", parameters)
                plan = "\n".join(row[0] for row in other.fetchall())
            self.plans.append(f"{' '.join(statement.split())}\n{plan}")

    def rendered(self, _sender: object, template: Any, context: dict[str, Any], **_more: object) -> None:
        """Render what was just rendered once more, and keep how long it took."""
        began = time.perf_counter()
        template.render(context)
        self.template += (time.perf_counter() - began) * 1000


def look(client: FlaskClient, pages: Sequence[Page]) -> dict[str, Inside]:
    """Ask for each page a few times, and return by name what it did."""
    found = {}
    for page in pages:
        with _watched() as watch:
            _ask(client, page)
            statements = watch.statements
            took = [_template(client, page, watch) for _ in range(TIMES)]
        found[page.name] = Inside(statements, median(took))
    return found


def plans(client: FlaskClient, page: Page) -> list[str]:
    """Ask for a page, and return each of its statements with the plan by which it was answered."""
    with _watched() as watch:
        watch.is_explaining = True
        _ask(client, page)
    return watch.plans


def explain(client: FlaskClient, pages: Sequence[Page], out: Path) -> None:
    """Write the plan of each statement of each page into a file."""
    with out.open("a") as file:
        for page in pages:
            _ask(client, page)  # once for the caches
            print(f"\n=== {page.name} ({page.path})", *plans(client, page), sep="\n\n", file=file)


def client_of(path: str) -> FlaskClient:
    """Return somebody who came in by a one-time link, at the real app in this process."""
    from app.web import create_app

    app = create_app()
    app.config.update(WTF_CSRF_ENABLED=False, SESSION_COOKIE_SECURE=False)
    client = app.test_client()
    assert client.post(path).status_code == 303
    return client


def _template(client: FlaskClient, page: Page, watch: _Watch) -> float:
    watch.template = 0.0
    _ask(client, page)
    return watch.template


def _ask(client: FlaskClient, page: Page) -> None:
    answer = client.post(page.path, data=dict(page.form)) if page.form else client.get(page.path)
    assert answer.status_code == 200, (page.path, answer.status)


@contextmanager
def _watched() -> Iterator[_Watch]:
    from app.db import engine

    watch = _Watch()
    event.listen(engine(), "before_cursor_execute", watch.statement)
    try:
        with template_rendered.connected_to(watch.rendered):
            yield watch
    finally:
        event.remove(engine(), "before_cursor_execute", watch.statement)
