"""A mail, HTML and text, against the same frame filled by sandboxed Jinja2 alone: `python -m tests.bench.render`."""

import gc
import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from statistics import median

from jinja2.sandbox import SandboxedEnvironment
from mjml import mjml2html

from app.domain.events import Line
from app.domain.mailing import CouponFacts, MailContent, Sender
from app.services import layout, render
from app.services.layout import MailPage
from tests.bench import rig

MAILS = 600  # of as many people, with as many prices, dates and links: no two are alike
SENDER = Sender(
    name="Tea & Tin", url="https://tea-and-tin.example", email="hello@tea-and-tin.example", reply_to=None,
    postal_address="1 Harbour St\nLisbon", locale="en", timezone="Europe/Lisbon",
)  # fmt: skip
# What layout.text_part says, as a template.
TEXT = """{{ mail.shop_name }}

{% for block in blocks %}{% if block.kind == "words" %}{{ plain[loop.index0] }}
{% elif block.kind == "table" %}{% for item in block.items %}- {{ item.title }}{% if item.note %} ({{ item.note }}){% endif %}: {{ item.price }}
{% endfor %}{{ block.sum_label }}: {{ block.sum }}
{% elif block.kind == "coupon" %}{{ block.until }}:

    {{ block.code }}

{{ block.before }}{{ block.price }}{{ block.after }}
{% elif block.kind == "button" %}{{ block.label }}:
{{ block.url }}
{% endif %}
{% endfor %}-- \n{{ mail.shop_name }}
{{ mail.postal_address }}
{{ mail.reason }}
{{ mail.unsubscribe_label }}: {{ mail.unsubscribe_url }}
"""  # noqa: E501  (a line of the mail)


def main() -> None:
    """Measure and report."""
    given = rig.arguments("Rendering")
    load = os.getloadavg()
    contents = [_content(number) for number in range(MAILS)]
    pages = _pages(contents)
    fill = _jinja(pages)
    gc.freeze()  # as a worker does before its first job
    ways: dict[str, Callable[[], object]] = {
        "sandboxed Jinja2 alone": lambda: [fill(page) for page in pages],
        "our mail": lambda: [render.render(content) for content in contents],
    }
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(given.rounds + 1):
        for name, way in ways.items():
            began = time.process_time()  # it waits for nothing, so the time of the processor is the time it takes
            way()
            took[name].append((time.process_time() - began) / MAILS * 1000)
    middle = {name: median(found[1:]) for name, found in took.items()}
    lines = [rig.Line(f"{name}, HTML and text", milliseconds, "ms") for name, milliseconds in middle.items()]
    lines.append(rig.at_most("our mail / Jinja2", middle["our mail"] / middle["sandboxed Jinja2 alone"], 2))
    rig.report("render", "Render one mail", lines, load, given.out)


def _jinja(pages: Sequence[MailPage]) -> Callable[[MailPage], tuple[str, str]]:
    environment = SandboxedEnvironment(autoescape=True)
    source = mjml2html((layout.TEMPLATES / "layout.mjml").read_text(encoding="utf-8"), fonts={})
    html, plain = environment.from_string(source), environment.from_string(TEXT)
    # Its words stand ready: cleaning, styling and writing them plain is ours to do.
    shown = {
        id(page): {
            **layout.frame_values(page),
            "plain": [layout._plain(block.html) if block.kind == "words" else "" for block in page.blocks],
        }
        for page in pages
    }

    def fill(page: MailPage) -> tuple[str, str]:
        return html.render(shown[id(page)]), plain.render(shown[id(page)])

    return fill


def _pages(contents: Sequence[MailContent]) -> list[MailPage]:
    """Return what the frame shows of each mail, as our renderer works it out."""
    kept: list[MailPage] = []
    original = render.html_part
    render.html_part = lambda page: kept.append(page) or original(page)  # type: ignore[func-returns-value]
    try:
        for content in contents:
            render.render(content)
    finally:
        render.html_part = original
    return kept


def _content(number: int) -> MailContent:
    lines = (
        Line(title="Stoneware Mug", quantity=2, price_minor=2400 + number, variant_title="Forest Green", product_id="11"),
        Line(title="Loose Leaf Tea", quantity=1, price_minor=1650 + 3 * number, variant_title="Pine Smoke / 100 g"),
    )
    subtotal = sum(line.price_minor * line.quantity for line in lines)
    ends = datetime(2026, 11, 23, 18, 24, tzinfo=UTC) + timedelta(minutes=number)
    return MailContent(
        flow="abandoned_cart", step="coupon", sender=SENDER, locale="en-US", first_name=f"Maya{number}", currency="USD",
        lines=lines, subtotal_minor=subtotal, button_url=f"https://tea-and-tin.example/recover/{number}?key=1",
        unsubscribe_url=f"https://bench.example.com/u/{number}",
        coupon=CouponFacts(code=f"TEATN-{number:04}-ABCD", percent=10, expires_at=ends),
    )  # fmt: skip


if __name__ == "__main__":
    main()
