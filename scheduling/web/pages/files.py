"""The files that pages load, each under a name that has its hash, so that a cache may keep it for a year."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

FOLDER = Path(__file__).parent / "static"

# What lies beside them, such as a licence, is not served.
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class File:
    """A file as it is served: its name, such as ``home.0123456789abcdef.css``, and its bytes."""

    name: str
    media_type: str
    body: bytes

    @property
    def path(self) -> str:
        """Its path on this server."""
        return f"/static/{self.name}"


class StaticFiles:
    """The files of a folder, read once; ``by_name`` has them by the names under which they are served."""

    def __init__(self, folder: Path) -> None:
        paths = [path for path in sorted(folder.rglob("*")) if path.suffix in _MEDIA_TYPES]
        self._files = {path.relative_to(folder).as_posix(): _read(path) for path in paths}
        self.by_name = {file.name: file for file in self._files.values()}

    def path(self, file: str) -> str:
        """Return the path on this server of a file of the folder; KeyError if there is none."""
        return self._files[file].path


def _read(path: Path) -> File:
    body = path.read_bytes()
    digest = blake2b(body, digest_size=8).hexdigest()
    return File(f"{path.stem}.{digest}{path.suffix}", _MEDIA_TYPES[path.suffix], body)
