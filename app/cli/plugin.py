"""`cartwheel plugin`: the companion plugin for WooCommerce shops."""

from pathlib import Path

import click

from app.cli.output import emit, json_option
from app.config import settings
from integrations.woocommerce import plugin


@click.group("plugin")
def group() -> None:
    """Pack the companion plugin for WooCommerce shops."""


@group.command("zip")
@click.option("--output", "-o", type=click.Path(path_type=Path, dir_okay=False), default=Path(plugin.FILE_NAME))
@json_option
def pack(output: Path, as_json: bool) -> None:
    """Write the plugin as a zip to upload in WordPress; it knows CARTWHEEL_PUBLIC_URL. The same source, the same bytes."""
    packed = plugin.pack(settings().public_url)
    output.write_bytes(packed)
    emit({"file": str(output), "version": plugin.version(), "bytes": len(packed)}, as_json=as_json)
