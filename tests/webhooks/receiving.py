"""A front-end of the tests that takes webhooks: a real HTTP server in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson

Answer = tuple[int, bytes]


@dataclass
class Receiver:
    """What came, in order, and how it answers: `answer` is asked with the event."""

    url: str = ""
    answer: Callable[[dict[str, Any]], Answer] = lambda event: (204, b"")
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [orjson.loads(body) for _, body in self.requests]

    def told(self) -> list[tuple[str, str]]:
        """Subject and type of what came, in order."""
        return [(event["subject"], event["type"]) for event in self.events]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of this machine."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            with receiver.lock:
                receiver.requests.append(({key.lower(): value for key, value in self.headers.items()}, body))
            status, answer = receiver.answer(orjson.loads(body))
            self.send_response(status)
            if status == 302:
                self.send_header("location", receiver.url + "/elsewhere")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/hooks"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
