"""A web server on this machine that misbehaves as it is told."""

from __future__ import annotations

import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Callable
from typing import Any

Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


class FakeArchive:
    """Files by path; faults are answers that stand in for the next requests of a path."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[Answer]] = {}
        self.asked: list[str] = []
        archive = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.lstrip("/")
                archive.asked.append(path)
                fault = archive.faults.get(path)
                if fault:
                    fault.pop(0)(self)
                elif path in archive.files:
                    answer(200, archive.files[path])(self)
                else:
                    answer(404, b"nothing here")(self)

            def log_message(self, *words: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *request: None  # a client that left is no news
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def put(self, path: str, content: bytes) -> None:
        """Publish a file and its checksum."""
        name = path.rpartition("/")[2]
        self.files[path] = content
        digest = hashlib.sha256(content).hexdigest()
        self.files[f"{path}.CHECKSUM"] = f"{digest}  {name}\n".encode()

    def put_table(self, path: str, lines: list[str]) -> None:
        """Publish a zipped CSV."""
        self.put(path, zipped(path.rpartition("/")[2].replace(".zip", ".csv"), lines))

    def num_asked(self, path: str) -> int:
        return self.asked.count(path)


def zipped(member: str, lines: list[str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(member), "\n".join(lines) + "\n")
    return buffer.getvalue()


def answer(status: int, body: bytes, **headers: str) -> Answer:
    """Send a status and a body."""

    def send(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return send


def cut_short(body: bytes) -> Answer:
    """Promise a body and die in the middle of it."""

    def send(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body[: len(body) // 2])
        handler.wfile.flush()
        handler.connection.close()

    return send


def hang_up(handler: http.server.BaseHTTPRequestHandler) -> None:
    """Close the connection without a word."""
    handler.connection.close()


def silent(seconds: float, done: threading.Event) -> Answer:
    """Say nothing for longer than anybody waits."""

    def send(handler: http.server.BaseHTTPRequestHandler) -> None:
        done.wait(seconds)

    return send
