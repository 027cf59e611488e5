"""The companion plugin for WordPress, packed for a merchant to upload. Its source is the folder beside this file."""

import io
import zipfile
from pathlib import Path

NAME = "cartwheel"
FILE_NAME = "cartwheel-for-woocommerce.zip"
SOURCE = Path(__file__).parent / NAME
_HOME = "home.php"
_EMPTY = "return '';"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can say: the same source gives the same bytes
_MODE = 0o100644 << 16  # a plain file that its owner may write
_UNIX = 3  # else the archive says which system packed it


def pack(public_url: str) -> bytes:
    """Return the plugin as a zip that WordPress takes; the same source and address give the same bytes.

    Args:
        public_url: where this Cartwheel is; the copy says so in home.php, so that nobody types it into WordPress.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(path for path in SOURCE.rglob("*") if path.is_file()):
            name = path.relative_to(SOURCE)
            content = path.read_bytes()
            if name == Path(_HOME):
                content = content.replace(_EMPTY.encode(), f"return {_php(public_url)};".encode())
            entry = zipfile.ZipInfo(f"{NAME}/{name.as_posix()}", _EPOCH)
            entry.external_attr, entry.create_system = _MODE, _UNIX
            # Stored, not deflated: another release of zlib would make other bytes of the same source.
            entry.compress_type = zipfile.ZIP_STORED
            archive.writestr(entry, content)
    return packed.getvalue()


def version() -> str:
    """Return the plugin's version, as its header says it."""
    header = (SOURCE / f"{NAME}.php").read_text(encoding="utf-8")
    return header.partition("* Version:")[2].partition("\n")[0].strip()


def _php(text: str) -> str:
    """Write a text as PHP reads it between single quotes."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
