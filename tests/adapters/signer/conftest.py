"""A world of a maker and a taker whose keys may be in another process, and that process."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cfd_signer import RemoteKeyring
from embit import bip39

from cfd_core import inputs as i
from cfd_core.cfd import commands as c
from cfd_core.crypto.signer import Keyring
from cfd_core.testing import SECRETS, SimNode, World, announced, hours, make_offer
from cfd_core.values import HOUR, EventId, Position, Role, Secret

PHRASE = "legal winner thank year wave sausage worth useful legal winner thank yellow"
"""A vector of BIP 39."""
SEED = Secret(bip39.mnemonic_to_seed(PHRASE))
EVENT = hours(24, 24)[0]


class Duo(World):
    """A maker and a taker, and what happens between them."""

    def __init__(self, keyring: Keyring | None = None) -> None:
        super().__init__(b"duo")
        self.taker: SimNode = self.add("taker", Role.TAKER, seed=SEED, keyring=keyring)
        self.maker: SimNode = self.add("maker", Role.MAKER)
        self.offer = make_offer(announced(EVENT), tolerance=Decimal("0.1"))
        self.both(i.AnnouncementReceived(announced(EVENT)))
        self.maker.give(c.PublishOffer(self.offer))
        self.taker.give(c.LearnOffers(self.maker.peer, (self.offer,)))

    def open(self) -> None:
        order = (self.offer.id, Position.LONG, 1_000, 2, self.draws.entropy())
        self.taker.give(c.TakeOffer(self.maker.peer, *order))
        self.run()
        self.mine()

    def roll_over(self) -> None:
        self.later(2 * HOUR)
        self.taker.give(c.RollOver(self.taker.cfd.id, self.draws.entropy()))
        self.run()

    def settle(self, price: int) -> None:
        self.taker.give(c.ProposeSettlement(self.taker.cfd.id, Decimal(price)))
        self.run()
        self.maker.give(c.AcceptSettlement(self.maker.cfd.id))
        self.mine(4)

    def force_close(self, price: int) -> None:
        self.taker.give(c.ForceClose(self.taker.cfd.id))
        self.mine(2)
        event: EventId = self.taker.cfd.settlement.event_id
        self.oracle.speak(event, price)
        self.advance(48 * HOUR)
        self.mine(16)


@pytest.fixture
def rules(tmp_path: Path) -> dict[str, Any]:
    """What the owner allows, with the seed beside it."""
    seed = tmp_path / "seed"
    seed.write_text(PHRASE + "\n")
    seed.chmod(0o600)
    announcement = SECRETS.public.announcement
    oracle = {
        "attestation": SECRETS.public.attestation.hex(),
        "announcement": None if announcement is None else announcement.hex(),
    }
    return {
        "network": "regtest",
        "seed": "seed",
        "socket": "s",
        "memory": "memory.jsonl",
        "max_loss": 1_000_000,
        "oracles": [oracle],
        "payout_scripts": None,
        "group": None,
    }


Start = Callable[[], "Running"]


class Running:
    """The signer's process."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "cfd_signer", "run", str(folder)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("signs for regtest at "), self.process.communicate()[1]
        self.path = folder / "s"
        self.keyring = RemoteKeyring.at(self.path)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.communicate(timeout=60)


@contextmanager
def running(folder: Path, rules: dict[str, Any]) -> Iterator[Running]:
    """A signer with these rules, which is gone at the end."""
    file = folder / "rules.json"
    file.write_text(json.dumps(rules))
    started = Running(folder)
    try:
        yield started
    finally:
        started.stop()


@pytest.fixture
def start(tmp_path: Path) -> Callable[[dict[str, Any]], Any]:
    """`with start(rules) as signer`."""
    return lambda rules: running(tmp_path, rules)
