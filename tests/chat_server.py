"""A small server that speaks OpenAI's protocol with a real model behind it, and that can be told to fail.

It is a peer of the engine `openai`, not a part of it: what it reads of a request is written anew here.
"""

import base64
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Any

from PIL import Image

from mmupt.sampling import Sampler, SamplingParams
from mmupt.types import ImageRef, Prompt, Rollout


@dataclass
class ChatServer:
    """How the server behaves, and what it saw."""

    sampler: Sampler
    faults: "deque[str]" = field(default_factory=deque)
    """What happens to the next requests: "500", "429", "drop", "hang"; after them all goes well."""
    key: str | None = None
    """The key that is asked for."""
    plain: bool = False
    """Offer neither token ids nor log-probs, as little as the protocol allows."""
    pause: float = 0.0
    """Seconds before each answer."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[tuple[int, int]] = field(default_factory=list)
    most_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    ended: threading.Event = field(default_factory=threading.Event)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """One chat completion."""
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self.bodies.append(body)
        self.ended.wait(self.pause)
        with self._lock:
            params = SamplingParams(body["n"], body["temperature"], body["top_p"], body["max_tokens"])
            (group,) = self.sampler.sample([self._prompt(body["messages"])], params, [body["seed"]])
            self._now -= 1
        choices = [self._choice(rollout, bool(body.get("logprobs"))) for rollout in group]
        written = sum(len(rollout.token_ids) for rollout in group)
        usage = {"prompt_tokens": group[0].prompt_tokens, "completion_tokens": written}
        return {"choices": choices[::-1], "usage": usage}

    def _prompt(self, messages: list[dict[str, Any]]) -> Prompt:
        images: list[ImageRef] = []
        for message in messages:
            for part in message["content"]:
                if part["type"] == "image_url":
                    data = base64.b64decode(part.pop("image_url")["url"].removeprefix("data:image/png;base64,"))
                    self.pictures.append(Image.open(BytesIO(data)).size)
                    images.append(ImageRef(data=data))
                    part["type"] = "image"
        return Prompt("asked", tuple(messages), tuple(images))

    def _choice(self, rollout: Rollout, logprobs: bool) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": rollout.index, "finish_reason": rollout.finish_reason}
        choice["message"] = {"role": "assistant", "content": rollout.text}
        if not self.plain:
            choice["token_ids"] = list(rollout.token_ids)
            choice["logprobs"] = {"content": [{"logprob": value} for value in rollout.logprobs]} if logprobs else None
        return choice


@contextmanager
def serving(chat: ChatServer) -> Iterator[str]:
    """The server's address, while it runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._send(200, {"object": "list", "data": [{"id": "tiny", "owned_by": "us" if chat.plain else "vllm"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fault = chat.faults.popleft() if chat.faults else None
            if fault == "drop":
                self.close_connection = True
                self.connection.close()
            elif fault == "hang":
                chat.ended.wait(60)
            elif fault is not None:
                self._send(int(fault), {"error": {"message": "not now"}})
            elif chat.plain and "logprobs" in body:
                self._send(400, {"error": {"message": "logprobs is not supported"}})
            else:
                self._send(200, chat.answer(body))

        def _send(self, code: int, body: dict[str, Any]) -> None:
            if chat.key is not None and self.headers["Authorization"] != f"Bearer {chat.key}":
                code, body = 401, {"error": {"message": "who are you?"}}
            data = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(data)))
            if code == 429:
                self.send_header("Retry-After", "1")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            chat.ended.set()
            server.shutdown()


def unused_address() -> str:
    """Where nothing listens."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        return f"http://127.0.0.1:{server.server_port}/v1"
