"""Who may come in: the token of an installation, and the sessions that browsers get for it."""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import field, frozen

from cfd_core.values import Secret

ADDRESS_FILE: Final = "api.json"
"""In a node's folder: where its API listens. `{"url": ..., "network": ...}`."""
TOKEN_FILE: Final = "api-token"  # noqa: S105 - a file's name
"""In a node's folder: its token, for its owner's eyes only."""
SESSION_SECONDS: Final = 7 * 24 * 3600
MIN_TOKEN: Final = 32
"""Characters; shorter tokens are refused."""


class AccessRefused(Exception):
    """The sentence says what is wrong with a node's access files."""


@frozen
class Access:
    """How to reach a running node."""

    url: str
    """Without a trailing slash."""
    token: Secret = field(repr=False)


def own_token(folder: Path) -> Secret:
    """The folder's token; makes one at the first call. `AccessRefused` when others could have read or made it."""
    file = folder / TOKEN_FILE
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_token(file)
    except OSError as error:
        raise AccessRefused(f"cannot write {file}: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as opened:
        opened.write(secrets.token_urlsafe(32))
        opened.flush()
        os.fsync(opened.fileno())
    return _read_token(file)


def publish_address(folder: Path, url: str, network: str) -> None:
    """Tell the owner's other programs where the API listens; replaces what an earlier process said."""
    file = folder / ADDRESS_FILE
    fresh = file.with_name(f"{ADDRESS_FILE}.{os.getpid()}")
    try:
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            json.dump({"url": url, "network": network}, opened)
        fresh.replace(file)
    except OSError as error:
        raise AccessRefused(f"cannot write {file}: {error.strerror}") from error


def withdraw_address(folder: Path) -> None:
    """The API listens no more."""
    (folder / ADDRESS_FILE).unlink(missing_ok=True)


def find_access(folder: Path) -> Access:
    """What a program of the owner needs to reach the node of this folder; `AccessRefused` says what is missing."""
    file = folder / ADDRESS_FILE
    try:
        said = json.loads(file.read_text())
        url = str(said["url"])
    except FileNotFoundError:
        raise AccessRefused(f"no node runs in {folder} (there is no {ADDRESS_FILE})") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AccessRefused(f"cannot read {file}") from error
    return Access(url.rstrip("/"), _read_token(folder / TOKEN_FILE))


def _read_token(file: Path) -> Secret:
    try:
        open_to_others = file.stat().st_mode & 0o077
        text = file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise AccessRefused(f"cannot read the token in {file}") from error
    if open_to_others:
        raise AccessRefused(f"{file} can be read by others: delete it and restart the node, which makes a new one")
    return checked_token(text)


def checked_token(text: str) -> Secret:
    """A token of decent form; `AccessRefused` otherwise."""
    if len(text) < MIN_TOKEN or not text.isascii() or not text.isprintable() or " " in text:
        raise AccessRefused(f"a token is at least {MIN_TOKEN} printable characters without a space")
    return Secret(text.encode())


@frozen
class Session:
    """A browser that showed the token. `csrf` goes into a header of everything it changes."""

    value: str = field(repr=False)
    """Of the cookie."""
    csrf: str = field(repr=False)
    expires: int


class Doorkeeper:
    """Knows the token, and the sessions made with it. They outlive the process, and die with the token."""

    def __init__(self, token: Secret, now: Callable[[], int]) -> None:
        self._token, self._now = token.reveal(), now
        self._key = hmac.digest(self._token, b"cfd-web session", "sha256")
        self._ended: dict[str, int] = {}
        # Browsers send cookies to every port of a host: two nodes on one machine need two names.
        self.cookie = f"cfd_session_{hmac.digest(self._token, b'cfd-web cookie name', 'sha256').hex()[:8]}"

    def knows(self, token: str) -> bool:
        """Whether this is the token; takes the same time for every wrong one."""
        return hmac.compare_digest(hashlib.sha256(token.encode()).digest(), hashlib.sha256(self._token).digest())

    def begin(self) -> Session:
        """A new session."""
        expires = self._now() + SESSION_SECONDS
        return self._session(f"{expires}.{secrets.token_urlsafe(16)}", expires)

    def session(self, cookie: str) -> Session | None:
        """The session of a cookie's value, if it is genuine and not over."""
        claim, _, _signature = cookie.rpartition(".")
        expires, _, nonce = claim.partition(".")
        if not (nonce and expires.isascii() and expires.isdigit() and len(expires) <= 12):
            return None
        session = self._session(claim, int(expires))
        genuine = hmac.compare_digest(session.value.encode(), cookie.encode())
        alive = self._now() < session.expires and claim not in self._ended
        return session if genuine and alive else None

    def end(self, session: Session) -> None:
        """Sign out: this process takes the session's cookie no more."""
        self._ended = {claim: until for claim, until in self._ended.items() if until > self._now()}
        self._ended[session.value.rpartition(".")[0]] = session.expires

    def _session(self, claim: str, expires: int) -> Session:
        signature, csrf = (
            hmac.digest(self._key, f"{what}:{claim}".encode(), "sha256").hex() for what in ("cookie", "csrf")
        )
        return Session(f"{claim}.{signature}", csrf, expires)
