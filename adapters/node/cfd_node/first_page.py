"""What a node says while its own programs are still being loaded: "it is starting", on the address of its pages.

Loading them takes seconds on a slow machine; whoever opens the pages meanwhile is answered, and the page comes again by
itself until it is the real one. Standard library only, for that reason.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

SILENT_SECONDS: Final = 5
"""How long a connection that asks nothing is kept."""
POLL_SECONDS: Final = 0.05
PAGE: Final = b"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><meta http-equiv="refresh" content="1"><title>Starting</title>
<style>body{font-family:sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}</style></head>
<body><main><h1>This node is starting</h1><p role="status">Its programs are being loaded.
This page comes again by itself. If the node was started by hand, it may be waiting for its passphrase in the terminal.
</p></main></body></html>
"""


class FirstPage:
    """Answers on one address until `hand_over`."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener: socket.socket | None = listener
        self.address: tuple[str, int] = listener.getsockname()[:2]
        self._server = ThreadingHTTPServer(self.address, _Starting, bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listener.dup()
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(POLL_SECONDS,), name="first page", daemon=True
        )
        self._thread.start()

    def hand_over(self) -> socket.socket | None:
        """Answer no more. The listening socket, once: what comes in meanwhile waits in it for who takes it."""
        listener, self._listener = self._listener, None
        if listener is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
        return listener


@contextmanager
def first_page(host: str, port: int) -> Iterator[FirstPage | None]:
    """A first page until the end, unless it is handed over before. None where the address cannot be had, for a reason
    that the node's own server will tell.
    """
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError:
        yield None
        return
    page = FirstPage(listener)
    try:
        yield page
    finally:
        left = page.hand_over()
        if left is not None:
            left.close()


class _Starting(BaseHTTPRequestHandler):
    timeout = SILENT_SECONDS
    server_version, sys_version = "cfd", ""

    def _answer(self) -> None:
        self.send_response(HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_header("Retry-After", "1")
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(PAGE)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - named by the standard library

    def log_message(self, *_: object) -> None:
        """Nothing: what is asked is nobody's business."""
