"""Weights, and a web server on this machine that delivers them in one broken way after another."""

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch

from atop.experiment import paths

AddRow = Callable[..., None]
Fetch = Callable[..., str]
FETCH = ("checkpoint", "--name", "some")
FILE = paths.CHECKPOINTS / "folder" / "some.pth"
ROW = {"about": "a test", "file": "folder/some.pth", "sha256": None, "licence": "none"}
DIGEST = "0" * 64
PAGE = b"\n<!DOCTYPE html><html><title>Quota exceeded</title></html>"


def saved(value: object) -> bytes:
    """What torch writes."""
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


WEIGHTS = saved({"layer.weight": torch.arange(5000.0)})


def left() -> list[str]:
    """What lies below results/, but for locks."""
    found = (path for path in paths.RESULTS.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.suffix != ".lock")


class Host:
    """What the server holds and does, and what it was asked.

    `answers` are taken one a request, the last for all that follow: "whole", "half" (hangs up in
    the middle), "page" (calls itself HTML but does not start so), "disguised" (HTML that calls
    itself a file), a status such as 429, or (status, Retry-After).
    """

    def __init__(self, content: bytes, *answers: object) -> None:
        self.content, self.answers = content, list(answers) or ["whole"]
        self.tag, self.ranges = '"one"', True
        self.asked: list[str | None] = []
        self.url = ""

    def answer(self) -> object:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def serving(host: Host) -> Iterator[Host]:
    """Serve while the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing: a verb's standard error is looked at."""

        def do_GET(self) -> None:
            host.asked.append(self.headers.get("Range"))
            _deliver(self, host, host.answer())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    host.url = f"http://127.0.0.1:{server.server_port}/file.pth"
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()


def _deliver(handler: BaseHTTPRequestHandler, host: Host, answer: object) -> None:
    status, *after = answer if isinstance(answer, tuple) else (answer,)
    if isinstance(status, int):
        handler.send_response(status)
        for seconds in after:
            handler.send_header("Retry-After", seconds)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    pages = {"page": b"Too many people have been here.", "disguised": PAGE}
    content, start = pages.get(str(answer), host.content), 0
    asked = handler.headers.get("Range")
    if host.ranges and asked and handler.headers.get("If-Range") == host.tag:
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
    handler.send_response(206 if start else 200)
    handler.send_header("Content-Type", "text/html" if answer == "page" else "application/zip")
    handler.send_header("Content-Length", str(len(content) - start))
    if host.tag:
        handler.send_header("ETag", host.tag)
    handler.end_headers()
    sent = content[start:]
    handler.wfile.write(sent[: len(sent) // 2] if answer == "half" else sent)
    handler.wfile.flush()
    handler.close_connection = True
