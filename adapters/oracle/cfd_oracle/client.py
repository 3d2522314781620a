"""Asks one oracle over HTTP. Hands out raw bytes, for the engine to verify itself, or verified values."""

import asyncio
from types import TracebackType
from typing import Final, Self

import httpx

from cfd_core.errors import DecodeError, PeerViolation
from cfd_core.oracle import (
    Announcement,
    Attestation,
    Dialect,
    OracleKeys,
    read_announcement,
    read_attestation,
    read_recorded_event,
)
from cfd_core.values import EventId
from cfd_oracle.errors import Down, Forged, Malformed, NotYet, OracleError, UnknownEvent
from cfd_oracle.paths import ANNOUNCEMENT, ATTESTATION, event_path

MAX_RESPONSE: Final = 1024 * 1024
"""Bytes of one answer; a longer one is not read to its end."""
DEADLINE: Final = 15.0
"""Seconds for one whole request, however slowly the bytes drip."""

_REFUSALS: Final = {204: NotYet, 400: UnknownEvent, 404: UnknownEvent, 410: UnknownEvent, 425: NotYet, 429: Down}


class OracleClient:
    """One oracle: its address, its dialect, its pinned keys. All methods raise only `OracleError`s.

    Redirects are not followed: whom we ask is the user's choice, not the oracle's.
    """

    def __init__(
        self,
        base_url: str,
        dialect: Dialect,
        keys: OracleKeys,
        http: httpx.AsyncClient | None = None,
        *,
        deadline: float = DEADLINE,
        proxy: str | None = None,
    ) -> None:
        """`http` is used as it is and stays the caller's to close; without it we make our own.

        That one goes through `proxy` alone (`socks5://host:port`, which resolves names too), or through none.
        """
        self.dialect = dialect
        self.keys = keys
        self._base = base_url.rstrip("/")
        self._deadline = deadline
        self._own = http is None
        self._http = http or httpx.AsyncClient(trust_env=False, proxy=proxy)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close our own HTTP client; safe to call twice."""
        if self._own:
            await self._http.aclose()

    async def ping(self, seconds: float) -> None:
        """Return when the oracle's server answers anything at all; `Down` if it does not within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                async with self._http.stream("HEAD", self._base + "/", follow_redirects=False):
                    return
        except TimeoutError as error:
            raise Down(f"the oracle has not answered for {seconds:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Down(f"the oracle cannot be reached: {str(error) or type(error).__name__}") from error

    async def fetch_announcement(self, event_id: EventId) -> bytes:
        """The raw announcement, not verified."""
        body = await self._get(event_path(self.dialect, event_id, ANNOUNCEMENT))
        return self._split(body)[0] if self.dialect is Dialect.OLIVIA_V1 else body

    async def fetch_attestation(self, event_id: EventId) -> bytes:
        """The raw attestation, not verified; `NotYet` until there is one."""
        body = await self._get(event_path(self.dialect, event_id, ATTESTATION))
        if self.dialect is not Dialect.OLIVIA_V1:
            return body
        attestation = self._split(body)[1]
        if attestation is None:
            raise NotYet(f"{event_id} is not attested yet")
        return attestation

    async def announcement(self, event_id: EventId) -> Announcement:
        """The verified announcement of exactly this event."""
        raw = await self.fetch_announcement(event_id)
        try:
            announcement = read_announcement(self.dialect, raw, self.keys)
        except DecodeError as error:
            raise Malformed(str(error)) from error
        except PeerViolation as error:
            raise Forged(str(error)) from error
        if announcement.event_id != event_id:
            raise Forged(f"asked for {event_id}, the oracle announced {announcement.event_id!r:.100}")
        return announcement

    async def attestation(self, announcement: Announcement) -> Attestation:
        """The verified attestation of an announced event; `NotYet` until there is one."""
        raw = await self.fetch_attestation(announcement.event_id)
        try:
            return read_attestation(announcement, raw)
        except DecodeError as error:
            raise Malformed(str(error)) from error
        except PeerViolation as error:
            raise Forged(str(error)) from error

    @staticmethod
    def _split(body: bytes) -> tuple[bytes, bytes | None]:
        try:
            return read_recorded_event(body)
        except DecodeError as error:
            raise Malformed(str(error)) from error

    async def _get(self, path: str) -> bytes:
        try:
            async with asyncio.timeout(self._deadline):
                return await self._read(path)
        except TimeoutError as error:
            raise Down(f"the oracle did not answer within {self._deadline:g} s") from error
        except httpx.InvalidURL as error:
            raise UnknownEvent(f"no oracle has an event with such an id: {error}") from error
        except httpx.HTTPError as error:
            raise Down(f"the oracle cannot be reached: {str(error) or type(error).__name__}") from error

    async def _read(self, path: str) -> bytes:
        # Compressed answers are not asked for: a small one could unpack to more memory than there is.
        headers = {"Accept-Encoding": "identity"}
        async with self._http.stream("GET", self._base + path, headers=headers, follow_redirects=False) as response:
            if response.status_code != 200:
                raise _refusal(response.status_code)
            if response.headers.get("content-encoding", "identity") != "identity":
                raise Malformed("the oracle's answer is compressed, which we did not ask for")
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > MAX_RESPONSE:
                    raise Malformed(f"the oracle's answer is longer than {MAX_RESPONSE:,} bytes")
            return bytes(body)


def _refusal(status: int) -> OracleError:
    known = Down if status >= 500 else _REFUSALS.get(status, Malformed)
    return known(f"the oracle answered with HTTP status {status}")
