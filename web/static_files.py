"""Static files: a file asked for with `?v=` never changes; any other is checked again each time."""

from __future__ import annotations

from os import PathLike, stat_result

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

FOREVER = "public, max-age=31536000, immutable"
CHECK_AGAIN = "no-cache"


class CachedFiles(StaticFiles):
    """Static files with cache headers; ETag and Last-Modified come with them."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["cache-control"] = FOREVER if b"v=" in scope.get("query_string", b"") else CHECK_AGAIN
        return response
