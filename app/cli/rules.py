"""How a shop's rules are typed on the command line."""

from app.domain.errors import Refused


def spelled(name: str, value: str) -> object:
    """Read a value as it is typed: on and off, hours and days, countries by commas, modes as DE:regional,US:anyone.

    Raises:
        Refused: it cannot be read.
    """
    if name == "modes":
        return dict(pair.split(":", 1) for pair in value.split(",") if ":" in pair)
    if name == "double_opt_in_in":
        return [part for part in value.split(",") if part]
    if name.endswith(("_hours", "_days")):
        return _number(name, value)
    if name in {"mode", "form_wording"}:
        return value
    if value not in {"on", "off"}:
        raise Refused(f"{name} is on or off.")
    return value == "on"


def _number(name: str, value: str) -> int:
    if not value.isdecimal() or len(value) > 4:
        raise Refused(f"{name} is a number of {name.rpartition('_')[2]}.")
    return int(value)
