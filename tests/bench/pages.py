"""The merchant's pages and the desk, with a million webhooks and 200,000 customers: `python -m tests.bench.pages`.

Through the real web. Beside each page: a bare route on the same server, the same page of a shop of 10,000 webhooks in the
same database, the page's template alone, and how many statements it sends. `--small` is a trial with a hundredth of the
rows; `--plans FILE` writes down how the database answers each statement.
"""

import os
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median

import psycopg

from tests.bench import inside, large_shop, rig
from tests.bench.inside import Inside
from tests.bench.large_shop import Size
from tests.bench.page_list import STAFF, Page, desk_pages, merchant_pages
from tests.bench.visitor import Visitor

MANY, FEW, OTHERS = 1_000_000, 10_000, 20
SLOW = 50.0  # ms
Times = dict[str, list[float]]  # by the name of a page


@dataclass(frozen=True, slots=True)
class Ground:
    """The shops, and whom we ask as."""

    large: int
    small: int
    pages: list[Page]  # of the large shop
    same: list[Page]  # of the small one
    desk: list[Page]


def main() -> None:
    """Measure and report."""
    given = rig.arguments(
        "Pages with very many rows",
        (("--times",), {"type": int, "default": 10, "help": "requests for each page in a round"}),
        (("--small",), {"action": "store_true", "help": "a hundredth of the rows, for a trial"}),
        (("--plans",), {"type": Path, "help": "a file that gets the plan of every statement"}),
    )
    load = os.getloadavg()
    with rig.rig() as place:
        ground = _fill(place, MANY // 100 if given.small else MANY, FEW // 10 if given.small else FEW)
        known = _inside(ground, given.plans)
        times, floor = _measure(place, ground, given.rounds, given.times)
    rows = _rows(ground, times, known, median(floor))
    print(_table(rows))
    lines = _lines(rows, times, known, median(floor))
    rig.report("pages", "Pages with very many rows", lines, load, given.out, pages=rows)


def _fill(place: rig.Rig, many: int, few: int) -> Ground:
    from app.db import engine

    shop_ids = []
    for number, webhooks in enumerate([many, few, *([few // 5] * OTHERS)]):
        shop_ids.append(large_shop.connect(number))
        rig.say(f"shop {shop_ids[-1]}: {webhooks:,} webhooks")
        with engine().begin() as connection:
            large_shop.fill(connection, shop_ids[-1], Size(webhooks), place=number, largest=many)
        large_shop.agree(place.plain_url, shop_ids[-1])
    with engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        large_shop.settle(connection)
    large_shop.roll_up()
    large, small, *_ = shop_ids
    with psycopg.connect(place.plain_url) as plain:
        return Ground(large, small, merchant_pages(plain, large), merchant_pages(plain, small), desk_pages(plain, large))


def _inside(ground: Ground, plans: Path | None) -> dict[str, dict[str, Inside]]:
    """Ask in this process; returned by who asks, then by the name of the page."""
    merchant, staff = inside.client_of(_merchant_link(ground.large)), inside.client_of(_staff_link())
    if plans:
        inside.explain(merchant, ground.pages, plans)
        inside.explain(staff, ground.desk, plans)
    return {"merchant": inside.look(merchant, ground.pages), "small": {}, STAFF: inside.look(staff, ground.desk)}


def _measure(place: rig.Rig, ground: Ground, rounds: int, times: int) -> tuple[dict[str, Times], list[float]]:
    """Ask through the web, in turns because machines drift; returned by who asks, and the times of the bare route."""
    took: dict[str, Times] = {"merchant": {}, "small": {}, STAFF: {}}
    floor: list[float] = []
    with ExitStack() as stack:
        port, bare_port = rig.free_port(), rig.free_port()
        stack.enter_context(rig.process(place, "bare", ["tests.bench.bare", str(bare_port)]))
        rig.wait_for_http(bare_port)
        stack.enter_context(rig.web(place, port))
        asked = {"merchant": ground.pages, "small": ground.same, STAFF: ground.desk}
        visitors = {
            "merchant": _came_in(port, _merchant_link(ground.large), "/admin/settings"),
            "small": _came_in(port, _merchant_link(ground.small), "/admin/settings"),
            STAFF: _came_in(port, _staff_link(), "/support/people"),
        }
        plain = Visitor(bare_port)
        for turn in range(rounds + 1):  # the first is for the caches and does not count
            rig.say(f"round {turn} of {rounds}")
            for who, pages in asked.items():
                for page in pages:
                    each = [visitors[who].open(page.path, dict(page.form))[0] for _ in range(times if turn else 2)]
                    took[who].setdefault(page.name, []).extend(each if turn else [])
                    floor += [plain.open("/healthz", {})[0]] if turn else []
        for visitor in (*visitors.values(), plain):
            visitor.close()
    return took, floor


def _came_in(port: int, link: str, page_with_a_form: str) -> Visitor:
    visitor = Visitor(port)
    visitor.sign_in(link)
    visitor.learn_token(page_with_a_form)
    return visitor


def _merchant_link(shop_id: int) -> str:
    from app.db import sessions
    from app.services import signin

    with sessions().begin() as session:
        now = signin.real_now(session)
        return f"/admin/sign-in/{signin.create_link(session, [shop_id], now=now, lifetime=timedelta(hours=1))}"


def _staff_link() -> str:
    from app.db import sessions
    from app.models import Role
    from app.services import signin, staff

    with sessions().begin() as session:
        now = signin.real_now(session)
        return f"/support/sign-in/{staff.invite(session, 'ida@example.com', Role.ADMIN, actor='bench', now=now)}"


def _rows(
    ground: Ground, times: dict[str, Times], known: dict[str, dict[str, Inside]], floor: float
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for who, pages in (("merchant", ground.pages), (STAFF, ground.desk)):
        for page in pages:
            took, does = times[who][page.name], known[who][page.name]
            small = times["small"].get(page.name) if who == "merchant" else None
            rows.append({
                "who": who, "page": page.name, "p50": median(took), "p95": rig.percentile(took, 0.95),
                "bare": median(took) / floor, "template": does.template, "statements": does.statements,
                "small": median(took) / median(small) if small else None,
            })  # fmt: skip
    return rows


def _table(rows: list[dict[str, object]]) -> str:
    head = "| Page | p50 | p95 | x bare route | x small shop | template alone | statements |\n|---|---|---|---|---|---|---|"
    lines = [head]
    for row in rows:
        name = f"desk: {row['page']}" if row["who"] == STAFF else row["page"]
        small = f"{row['small']:.1f}" if row["small"] else ""
        lines.append(
            f"| {name} | {row['p50']:.1f} ms | {row['p95']:.1f} ms | {row['bare']:.0f} | {small} "
            f"| {row['template']:.1f} ms | {row['statements']} |"
        )
    return "\n".join(lines)


def _lines(
    rows: list[dict[str, object]], times: dict[str, Times], known: dict[str, dict[str, Inside]], floor: float
) -> list[rig.Line]:
    slowest = max(rows, key=lambda row: float(str(row["p50"])))
    against_small = [float(str(row["small"])) for row in rows if row["small"]]
    against_template = [float(str(row["p50"])) / float(str(row["template"])) for row in rows]
    return [
        rig.Line("bare route, p50", floor, "ms"),
        rig.Line("slowest page", f"{slowest['page']}: {slowest['p50']:.0f} ms"),
        rig.at_most(f"pages over {SLOW:.0f} ms, of {len(rows)}", sum(float(str(r["p50"])) > SLOW for r in rows), 0),
        rig.at_most("large shop / small shop, median of the pages", median(against_small), 1.5),
        rig.at_most("large shop / small shop, worst page", max(against_small), 1.5),
        rig.at_most("page / its template alone, median of the pages", median(against_template), 2),
    ]


if __name__ == "__main__":
    main()
