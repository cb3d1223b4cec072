"""A running OpenAI-compatible server: JSON asked of it and JSON answered by it, over HTTP.

Lost connections, 429 and 5xx are tried again, after growing pauses or the server's own Retry-After. A server that
stays away, or answers something else, is a `UserError`; a request that it understood and refused a `RefusedError`.
"""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import httpx

from mmupt.errors import UserError
from mmupt.types import JsonValue

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before the second try, and before any later one; each pause is twice the one before."""
CONNECT_TIMEOUT = 10.0
LOCAL = ("localhost", "127.0.0.1", "::1")
"""Hosts for which no proxy of the environment is used."""

Reply = Mapping[str, JsonValue]


class RefusedError(Exception):
    """The server understood the request and says why it will not serve it."""


@dataclass(frozen=True)
class Address:
    """Where a server is, and how patient to be with it."""

    base_url: str
    """With the part of the path that names the version, such as http://localhost:8000/v1."""
    key_name: str = "OPENAI_API_KEY"
    """Environment variable that holds the key; where it is not set, none is sent."""
    timeout: float = 1800.0
    """Seconds that one answer may take."""
    retries: int = 6
    """Tries after the first one."""

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.base_url)
        except httpx.InvalidURL:
            url = httpx.URL("")
        if url.scheme not in ("http", "https") or not url.host:
            fix = "write it as in http://localhost:8000/v1"
            raise UserError(f"{self.base_url!r} is no address", where="rollout.base_url", fix=fix)
        if self.timeout <= 0 or self.retries < 0:
            fix = "use a timeout above 0, and 0 retries or more"
            raise UserError(f"timeout {self.timeout} and {self.retries} retries", where="rollout", fix=fix)


class Server:
    """An open connection to a server; an asynchronous context."""

    def __init__(self, address: Address, connections: int = 1) -> None:
        self.address = address
        key = os.environ.get(address.key_name)
        url = httpx.URL(address.base_url.rstrip("/") + "/")
        self._client = httpx.AsyncClient(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(address.timeout, connect=CONNECT_TIMEOUT, pool=None),
            limits=httpx.Limits(max_connections=connections),
            trust_env=not is_here(address.base_url),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def get(self, path: str) -> Reply:
        """What lies at the path."""
        return await self._ask("GET", path, None)

    async def post(self, path: str, body: Reply) -> Reply:
        """The answer to a request."""
        return await self._ask("POST", path, body)

    async def command(self, path: str, body: Reply | None = None) -> None:
        """Have something done that lies beside the version's path (/sleep, not /v1/sleep), and is answered by nothing.

        It is asked once; what the server has against it is a `RefusedError`.
        """
        url = self._client.base_url
        root = url.copy_with(path=url.path.rstrip("/").rpartition("/")[0] + "/" + path)
        try:
            answer = await self._client.post(root, json=body)
        except httpx.TransportError as error:
            raise self._away(_words(error), 0) from error
        if not answer.is_success:
            raise RefusedError(_reason(answer))

    async def _ask(self, method: str, path: str, body: Reply | None) -> Reply:
        for tried in range(self.address.retries + 1):
            last = tried == self.address.retries
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**tried)
            try:
                answer = await self._client.request(method, path, json=body)
            except httpx.TransportError as error:
                if last:
                    raise self._away(_words(error), tried) from error
            else:
                if answer.status_code != 429 and answer.status_code < 500:
                    return self._reply(answer)
                if last:
                    raise self._away(_reason(answer), tried)
                pause = _retry_after(answer) or pause
            await asyncio.sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _reply(self, answer: httpx.Response) -> Reply:
        url, code = self.address.base_url, answer.status_code
        if code in (401, 403):
            fix = f"put the key into the environment variable {self.address.key_name}"
            raise UserError(f"the server refuses the key ({_reason(answer)})", where=url, fix=fix)
        if code in (400, 413, 422):
            raise RefusedError(_reason(answer))
        found = _json(answer) if answer.is_success else None
        if not isinstance(found, dict):
            fix = "give the address with its version, as in http://localhost:8000/v1"
            raise UserError(f"this is no OpenAI-compatible server ({_reason(answer)})", where=url, fix=fix)
        return found

    def _away(self, reason: str, tried: int) -> UserError:
        fix = "start one (vllm serve MODEL), or set rollout.base_url"
        what = f"the server does not answer ({reason}; {tried + 1} tries)"
        return UserError(what, where=self.address.base_url, fix=fix)


def is_here(base_url: str) -> bool:
    """Whether the server is on this machine, and may see its temporary files."""
    return httpx.URL(base_url).host in LOCAL


def _retry_after(answer: httpx.Response) -> float | None:
    said = answer.headers.get("retry-after", "")
    return min(LONGEST_PAUSE, float(said)) if said.isdecimal() else None


def _reason(answer: httpx.Response) -> str:
    """The server's own words where it has some."""
    found = _json(answer)
    error = found.get("error", found) if isinstance(found, dict) else None
    told = error.get("message") if isinstance(error, dict) else error
    return f"{answer.status_code}: {' '.join(str(told).split())[:200]}" if told else f"status {answer.status_code}"


def _json(answer: httpx.Response) -> JsonValue:
    try:
        found: JsonValue = answer.json()
    except ValueError:
        return None
    return found


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
