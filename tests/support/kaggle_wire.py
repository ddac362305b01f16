"""How kaggle.com's answers travel to client 2.2.4: JSON calls, redirects, ranges, uploads, connections that are cut.

What is answered stands in kaggle_server.py and kaggle_notebooks.py.
"""

import hashlib
import json
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

# The names that travel in an error's body beside its number.
STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
# An answer of the storage behind signed addresses: XML, not JSON.
EXPIRED = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>ExpiredToken</Code><Message>Expired.</Message></Error>"


class Request(NamedTuple):
    """A request as it arrived, without its headers: they carry the credentials."""

    method: str
    path: str  # without the query: it carries the signature
    content: Any  # the JSON of a call; the size of an upload; the Range header of a download, or None


@dataclass(frozen=True)
class Answer:
    """An answer, ready to be sent."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, value: object, status: int = 200, headers: dict[str, str] | None = None) -> "Answer":
        """An answer with JSON."""
        return cls(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})


class RefusedError(Exception):
    """A call whose answer is an error with a nested body, as on kaggle.com."""

    def __init__(self, code: int, message: str, status: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        error = {"code": code, "message": message, "status": status or STATUSES.get(code, "UNKNOWN")}
        self.answer = Answer.of({"error": error}, code, headers)


class Handler(BaseHTTPRequestHandler):
    """One connection. It accepts absolute targets too: the client uses the server as a proxy for http://localhost."""

    protocol_version = "HTTP/1.1"
    server: "WireServer"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (named by the base class)
        """Tests read `requests`; nothing is printed."""

    def do_POST(self) -> None:
        """A call of the API."""
        path = self._path()
        content = json.loads(self._body() or b"{}")
        self.server.requests.append(Request("POST", path, content))
        self._send(self.server.call(path, content, self.headers.get("Authorization", "")))

    def do_PUT(self) -> None:
        """An upload to a signed address."""
        path, body = self._path(), self._body()
        self.server.requests.append(Request("PUT", path, len(body)))
        fault = self.server.fault("PUT")
        if fault or path not in self.server.uploads:
            self._send(fault or Answer(403, EXPIRED))
        elif self.headers.get("Content-Range", "").startswith("bytes */"):  # "how much have you got?"
            self._send(Answer(308 if self.server.uploads[path] is None else 200))
        else:
            self.server.uploads[path] = body
            self._send(Answer(200))

    def do_GET(self) -> None:
        """A download from a signed address."""
        path, asked = self._path(), self.headers.get("Range")
        self.server.requests.append(Request("GET", path, asked))
        fault = (self.server.fault("Range") if asked else None) or self.server.fault("GET") or self.server.expired(path)
        if fault:
            self._send(fault)
            return
        content = self.server.downloads[path]
        tag = f'"{hashlib.md5(content).hexdigest()}"'  # noqa: S324
        headers = {
            "Content-Type": "application/zip" if path.endswith(".zip") else "application/octet-stream",
            "Accept-Ranges": "bytes",
            "ETag": tag,
            "Last-Modified": format_datetime(self.server.last_modified, usegmt=True),
        }
        if asked is None or self.headers.get("If-Range", tag) != tag:
            self._send(Answer(200, content, headers), download=True)
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last or len(content)), len(content) - 1)  # `end` is sent too
        if start > end:
            self._send(Answer(416, b"", {"Content-Range": f"bytes */{len(content)}"}))
            return
        headers["Content-Range"] = f"bytes {start}-{end}/{len(content)}"
        self._send(Answer(206, content[start : end + 1], headers), download=True)

    def _path(self) -> str:
        """The path of the target, which may be absolute."""
        return urlsplit(self.path).path

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":  # an empty file, which the client sends in this way
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunk(self) -> bytes:
        content = self.rfile.read(int(self.rfile.readline(), 16))
        self.rfile.readline()
        return content

    def parse_request(self) -> bool:
        """Refuse to be a proxy for any host but this machine, so that no test reaches another."""
        if not super().parse_request():
            return False
        host = urlsplit(self.path).hostname
        if host not in (None, "localhost", "127.0.0.1"):
            self.server.requests.append(Request(self.command, self.path, None))
            self.send_error(502)
            return False
        return True

    def _send(self, answer: Answer, *, download: bool = False) -> None:
        time.sleep(self.server.latency)
        cut = self.server.cut_after.pop(0) if download and self.server.cut_after else None
        stall = self.server.stall_after.pop(0) if download and self.server.stall_after else None
        try:
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body[: cut if stall is None else stall])
        except ConnectionError:  # the client went away
            self.close_connection = True
        if stall is not None:
            self.server.closing.wait()
        if stall is not None or cut is not None:
            self.close_connection = True


class WireServer(ThreadingHTTPServer):
    """The server's transport, on a free port of 127.0.0.1, in threads of this process.

    Attributes:
        requests: what arrived, in order.
        latency: seconds before each answer.
        cut_after: of each of the next downloads, the bytes after which its connection is closed.
        stall_after: of each of the next downloads, the bytes after which nothing more comes, on an open connection.
        expire_on_retry: so many signed addresses answer 403 from the second request on.
        last_modified: of every download.
        uploads: signed path to what was put there; None before.
        downloads: signed path to what is served there.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.latency = 0.0
        self.cut_after: list[int] = []
        self.stall_after: list[int] = []
        self.expire_on_retry = 0
        self.last_modified = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
        self.uploads: dict[str, bytes | None] = {}
        self.downloads: dict[str, bytes] = {}
        self.closing = threading.Event()
        self.lock = threading.RLock()
        self._faults: dict[str, deque[Answer]] = defaultdict(deque)
        self._expired: set[str] = set()
        self._signed = 0
        super().__init__(("127.0.0.1", 0), Handler)

    def __enter__(self) -> "WireServer":
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that close the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def address(self) -> str:
        """The start of signed addresses; their host name is not the API's, as on kaggle.com."""
        return f"http://127.0.0.1:{self.server_port}"

    def call(self, path: str, content: dict[str, Any], authorization: str) -> Answer:
        """Answer a call of the API."""
        raise NotImplementedError

    def fail(
        self,
        name: str,
        status: int,
        message: str = "made to fail",
        *,
        headers: dict[str, str] | None = None,
        body: bytes | None = None,
        times: int = 1,
    ) -> None:
        """Answer the next requests of a kind with an error.

        Args:
            name: the call's method ("DownloadDataFiles"), or "GET" and "PUT" for downloads and uploads, or "Range" for
                downloads that are gone on with.
            status: of HTTP.
            message: stands in the nested body.
            headers: as {"Retry-After": "1"}.
            body: instead of the nested one, as a page of HTML from what stands before the server.
            times: how many requests.
        """
        answer = RefusedError(status, message, headers=headers).answer
        if body is not None or name in ("GET", "PUT", "Range"):
            answer = Answer(status, EXPIRED if body is None else body, {"Content-Type": "text/html", **(headers or {})})
        self._faults[name].extend([answer] * times)

    def fault(self, name: str) -> Answer | None:
        """The next error that a test asked for, or None."""
        with self.lock:
            return self._faults[name].popleft() if self._faults[name] else None

    def expired(self, path: str) -> Answer | None:
        """The answer of a signed address that never existed or has expired; None if it is valid."""
        with self.lock:
            again = sum(request.method == "GET" and request.path == path for request in self.requests) > 1
            if again and self.expire_on_retry and path not in self._expired:
                self.expire_on_retry -= 1
                self._expired.add(path)
            gone = path in self._expired or path not in self.downloads
            return Answer(403, EXPIRED, {"Content-Type": "application/xml"}) if gone else None

    def signed(self, folder: str, name: str) -> str:
        """A new path; the client takes a download's file name from its end."""
        self._signed += 1
        return f"/{folder}/{self._signed}/{name}"

    def requested(self, name: str) -> list[Any]:
        """The contents of the requests of a kind, named as in `fail`."""
        return list(self._contents(name))

    def _contents(self, name: str) -> Iterator[Any]:
        for request in self.requests:
            if name in (request.method, request.path.rpartition("/")[2]):
                yield request.content
