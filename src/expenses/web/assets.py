"""Static files from memory, under addresses that change with their content.

`url("app.css")` is `/static/app.css?v=<hash>`, which browsers may keep for ever. An address with another hash, as a
page from the previous release has it, still answers with today's file, to be asked for again the next time.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

STATIC = Path(__file__).parent / "static"

FOR_EVER = "public, max-age=31536000, immutable"
"""One year, the longest that RFC 9111 caches are asked to honour."""

_MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".webmanifest": "application/manifest+json",
}
"""Not Python's `mimetypes`: it reads what the machine has in `/etc/mime.types`, and keeps it (0.4 MB)."""


@dataclass(frozen=True)
class Asset:
    """One file as it is sent."""

    name: str
    content: bytes
    compressed: bytes | None
    media_type: str
    digest: str

    @property
    def url(self) -> str:
        """The address that may be cached for ever."""
        return f"/static/{self.name}?v={self.digest}"


@cache
def assets() -> dict[str, Asset]:
    """All files by their path below `static/`, read once a process."""
    files = (path for path in STATIC.rglob("*") if path.is_file())
    return {asset.name: asset for asset in (_read(path) for path in sorted(files))}


def url(name: str) -> str:
    """The address of a static file for a template. Raises `KeyError` for a file that is not there."""
    return assets()[name].url


async def serve(request: Request) -> Response:
    """Answer `/static/{name}`."""
    asset = assets().get(request.path_params["name"])
    if asset is None:
        raise HTTPException(404, "There is no such file.")
    headers = {
        "Cache-Control": FOR_EVER if request.query_params.get("v") == asset.digest else "no-cache",
        "ETag": f'"{asset.digest}"',
        "Vary": "Accept-Encoding",
    }
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if asset.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.compressed, headers=headers | {"Content-Encoding": "gzip"}, media_type=asset.media_type)
    return Response(asset.content, headers=headers, media_type=asset.media_type)


routes = [Route("/static/{name:path}", serve, methods=["GET"], include_in_schema=False)]


def _read(path: Path) -> Asset:
    content = path.read_bytes()
    compressed = gzip.compress(content, mtime=0)
    return Asset(
        name=path.relative_to(STATIC).as_posix(),
        content=content,
        compressed=compressed if len(compressed) < len(content) * 0.9 else None,
        media_type=_MEDIA_TYPES[path.suffix],
        digest=hashlib.sha256(content).hexdigest()[:16],
    )
