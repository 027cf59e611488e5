"""Does the work of script/messages."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir, extract_from_file
from babel.messages.pofile import read_po, write_po

KEYWORDS = {"say": None, "say_many": (1, 2), "noted": None, "gettext": None, "_": None, "ngettext": (1, 2)}
CATALOGUES = {
    Path("templates/email/locale"): ["app/services"],
    Path("templates/public/locale"): ["app/web/public", "templates/public"],
    Path("templates/locale"): [
        "app/web/admin",
        "app/web/install",
        "app/web/errors.py",
        "app/web/hosts.py",
        "jobs/connecting.py",
        "templates/admin",
        "templates/install",
        "templates/woocommerce",
    ],
}
METHODS = [("**.py", "python"), ("**.html", "jinja2")]
OPTIONS = {"**.html": {"silent": "false"}}


def main() -> int:
    """Update or check all catalogues; return the exit code."""
    is_check = "--check" in sys.argv[1:]
    stale = 0
    for folder, sources in CATALOGUES.items():
        words = found_in(sources)
        for path in sorted(folder.glob("*.po")):
            before = path.read_text(encoding="utf-8")
            after, done = updated(before, words, path.stem)
            stale += before != after
            if not is_check:
                path.write_text(after, encoding="utf-8")
            note = "" if before == after else " (was not up to date)"
            print(f"{path}: {done} of {len(words)} translated{note}", file=sys.stderr)
    return 1 if is_check and stale else 0


def found_in(sources: list[str]) -> list[str | tuple[str, str]]:
    """Return all words that are marked in some files, or in those under some folders, in alphabetical order."""
    return sorted({words for source in sources for words in _marked(source)}, key=str)


def updated(before: str, words: list[str | tuple[str, str]], locale: str) -> tuple[str, int]:
    """Return the file with these words and its own translations of them, and how many it has."""
    header = before.partition("\n\n")[0]
    old = read_po(io.BytesIO(before.encode()), locale=locale)
    new, done = Catalog(locale=locale), 0
    for word in words:
        held = old.get(word if isinstance(word, str) else word[0])
        new.add(word, string=held.string if held else None)
        done += bool(held and (held.string if isinstance(held.string, str) else all(held.string)))
    body = io.BytesIO()
    write_po(body, new, width=120, omit_header=True)
    return header + "\n\n" + body.getvalue().decode().strip() + "\n", done


def _marked(source: str) -> Iterator[str | tuple[str, str]]:
    if Path(source).is_dir():
        for _, _, words, _, _ in extract_from_dir(source, METHODS, options_map=OPTIONS, keywords=KEYWORDS):
            yield words
    else:
        for _, words, _, _ in extract_from_file("python", source, keywords=KEYWORDS):
            yield words


if __name__ == "__main__":
    sys.exit(main())
