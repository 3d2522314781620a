"""The recovery phrase: made, confirmed, taken over from paper (BIP 39), and kept sealed in a file."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import frozen
from embit import bip39

from cfd_core.crypto.keys import Keychain
from cfd_core.errors import RuleViolation
from cfd_core.values import Network, Secret
from cfd_wallet.errors import WalletError
from cfd_wallet.sealing import NONCE_BYTES, SALT_BYTES, Header, read_header, seal, unseal

SEED_FILE: Final = "seed"
KIND: Final = "seed"
VERSION: Final = 1
SEAL_ENTROPY: Final = SALT_BYTES + NONCE_BYTES
ENTROPY_BYTES: Final = {12: 16, 24: 32}
"""Words of a new phrase -> random bytes it is made of."""


class WrongWords(WalletError):
    """The words that were typed are not those of the phrase."""


def new_phrase(entropy: bytes) -> Secret:
    """A recovery phrase of 12 or 24 words from 16 or 32 fresh random bytes."""
    if len(entropy) not in ENTROPY_BYTES.values():
        raise WalletError("a new recovery phrase is made of 16 or 32 random bytes")
    return Secret(bip39.mnemonic_from_bytes(entropy).encode())


def read_phrase(phrase: Secret, network: Network) -> Secret:
    """The phrase with single spaces; `WalletError` for one that BIP 39 does not allow, without showing a word."""
    words = Secret(" ".join(phrase.reveal().decode(errors="replace").lower().split()).encode())
    try:
        Keychain.from_mnemonic(words, network)
    except RuleViolation as error:
        raise WalletError(str(error)) from None
    return words


def asked_words(phrase: Secret, entropy: bytes) -> tuple[int, ...]:
    """Three places (1, 2, ...) to ask for, in order, chosen by `entropy` (3 random bytes or more)."""
    left = list(range(1, len(phrase.reveal().split()) + 1))
    return tuple(sorted(left.pop(byte % len(left)) for byte in entropy[:3]))


def confirm(phrase: Secret, places: Sequence[int], typed: Sequence[str]) -> None:
    """`WrongWords` unless `typed` are the words at `places`: so it is written down, and readably."""
    words = phrase.reveal().decode().split()
    wrong = [place for place, word in zip(places, typed, strict=True) if words[place - 1] != word.strip().lower()]
    if wrong:
        raise WrongWords(f"word {wrong[0]} is another one: look at what you wrote down")


@frozen
class SeedFile:
    """A sealed recovery phrase at `path`."""

    path: Path

    def exists(self) -> bool:
        return self.path.exists()

    def create(self, phrase: Secret, network: Network, passphrase: Secret, entropy: bytes, *, log_n: int = 17) -> None:
        """Seal it into a new file, durably; `WalletError` if there is one: a seed is never overwritten.

        `entropy`: 28 fresh random bytes.
        """
        content = seal(Header(KIND, VERSION, network.value), phrase, passphrase, entropy, log_n)
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise WalletError(f"there is a seed in {self.path} already") from None
        except OSError as error:
            raise WalletError(f"{self.path} cannot be written: {error.strerror}") from error
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.path.unlink(missing_ok=True)
            raise WalletError(f"{self.path} cannot be written: {error.strerror}") from error

    def network(self) -> Network:
        """The network it was made for, without opening it."""
        return _network(read_header(self._read(), KIND, VERSION))

    def phrase(self, passphrase: Secret) -> Secret:
        """The words; `WrongPassphrase`, or `WalletError` for a file that is no seed."""
        return self._open(passphrase)[1]

    def keychain(self, network: Network, passphrase: Secret) -> Keychain:
        """The node's keys; `WalletError` if the seed was made for another network."""
        return self.both(network, passphrase)[1]

    def both(self, network: Network, passphrase: Secret) -> tuple[Secret, Keychain]:
        """Words and keys for the passphrase's half a second once, which does not hold other threads up; errors as of
        `phrase` and `keychain`.
        """
        header, phrase = self._open(passphrase)
        made_for = _network(header)
        if made_for is not network:
            raise WalletError(f"the seed in {self.path} was made for {made_for.value}, not for {network.value}")
        return phrase, Keychain.from_mnemonic(phrase, network)

    def _open(self, passphrase: Secret) -> tuple[Header, Secret]:
        return unseal(self._read(), KIND, VERSION, passphrase)

    def _read(self) -> bytes:
        try:
            with self.path.open("rb") as file:
                if os.fstat(file.fileno()).st_mode & 0o077:
                    raise WalletError(f"others may read {self.path}: chmod 600 it, and think about who has read it")
                return file.read(1 << 20)
        except FileNotFoundError:
            raise WalletError(f"there is no seed in {self.path}: make one with `cfd init`") from None
        except OSError as error:
            raise WalletError(f"{self.path} cannot be read: {error.strerror}") from error


def _network(header: Header) -> Network:
    try:
        return Network(header.network)
    except ValueError:
        raise WalletError(f"the seed is for a network that is not known here: {header.network!r:.40}") from None
