"""A small server that speaks as much of the Hugging Face hub's protocol as an upload needs, over real HTTP.

It knows one token, `good`, and keeps what it is sent: repositories with their visibility, and their files by name.
"""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Hub:
    """What the server was told."""

    address: str = ""
    private: dict[str, bool] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)
    """Large files, by SHA-256."""
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Repository -> file -> content."""
    commits: list[str] = field(default_factory=list)
    """Their messages."""


@contextmanager
def serve() -> Iterator[Hub]:
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(lambda body: {"name": "me", "type": "user", "auth": {}})

        def do_POST(self) -> None:
            self._answer(self._post)

        def do_PUT(self) -> None:
            hub.objects[self.path.rpartition("/")[2]] = self._body()
            self._send(200, {})

        def log_message(self, *words: object) -> None:
            return None

        def _answer(self, made) -> None:
            body = self._body()
            if self.headers.get("Authorization") != "Bearer good":
                self._send(401, {"error": "Invalid token"})
            else:
                self._send(200, made(body))

        def _post(self, body: bytes) -> dict[str, object]:
            if self.path == "/api/repos/create":
                told = json.loads(body)
                name = f"{told.get('organization') or 'me'}/{told['name']}"
                hub.private.setdefault(name, bool(told.get("private") or told.get("visibility") == "private"))
                return {"url": f"{hub.address}/{name}", "name": name, "id": "1"}
            if "/preupload/" in self.path:
                files = [{"path": file["path"], "size": file["size"]} for file in json.loads(body)["files"]]
                modes = ["lfs" if file["path"].endswith(".safetensors") else "regular" for file in files]
                return {
                    "files": [
                        {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}
                        for file, mode in zip(files, modes, strict=True)
                    ]
                }
            if self.path.endswith("/objects/batch"):
                wanted = json.loads(body)["objects"]
                return {"transfer": "basic", "objects": [self._place(each["oid"], each["size"]) for each in wanted]}
            if "/commit/" in self.path:
                return self._commit(body)
            return {"errors": [], "warnings": []}  # the check of a card's head

        def _place(self, oid: str, size: int) -> dict[str, object]:
            return {"oid": oid, "size": size, "actions": {"upload": {"href": f"{hub.address}/put/{oid}"}}}

        def _commit(self, body: bytes) -> dict[str, object]:
            name = "/".join(self.path.split("/")[3:5])
            kept = hub.files.setdefault(name, {})
            for line in map(json.loads, body.splitlines()):
                value = line["value"]
                if line["key"] == "file":
                    kept[value["path"]] = base64.b64decode(value["content"])
                elif line["key"] == "lfsFile":
                    kept[value["path"]] = hub.objects[value["oid"]]
                elif line["key"] == "header":
                    hub.commits.append(value["summary"])
            return {"commitUrl": f"{hub.address}/{name}/commit/1", "commitOid": "1", "success": True}

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def _send(self, code: int, content: dict[str, object]) -> None:
            data = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
