"""A flow in a file: YAML that somebody wrote, read with limits."""

from typing import TextIO

import yaml

from app.domain.errors import Refused

LARGEST_FILE = 256 * 1024  # characters; our largest flow has 2,000
DEEPEST = 20  # levels; a flow has 5


def read(file: TextIO) -> object:
    """Return what the YAML of a file says.

    Raises:
        Refused: it is no YAML, or too much of it; the message says where.
    """
    text = file.read(LARGEST_FILE + 1)
    if len(text) > LARGEST_FILE:
        raise Refused("That file is too large to be a flow.")
    try:
        _refuse_bombs(text)
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as exc:
        place, problem = getattr(exc, "problem_mark", None), getattr(exc, "problem", None)
        where = f" at line {place.line + 1}" if place else ""
        raise Refused(f"That is not YAML{where}: {problem or 'it holds a character that YAML does not know'}.") from exc


def _refuse_bombs(text: str) -> None:
    """Refuse what a few bytes of YAML can unfold to: aliases of aliases, and nesting without end."""
    depth = 0
    for event in yaml.parse(text):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if isinstance(event, yaml.AliasEvent):
            raise Refused("Write the flow without YAML aliases (*name).")
        if depth > DEEPEST:
            raise Refused("That file is nested too deeply to be a flow.")
