"""What the two processes go through in one round: open, roll over, end; somebody dies on the way."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, Final

from attrs import define, field
from cfd_oracle import OracleServer
from cfd_regtest import ChainControl

from cfd_core.oracle import hourly_event_id
from cfd_core.values import HOUR, Timestamp
from tests.chaos.party import FileClock
from tests.chaos.process import Dead, Order, Party, Wrong

PRICE: Final = 50_000
QUANTITY: Final = 1_000
PATIENCE: Final = 90
"""Looks at both nodes, a block and some seconds of their time between two, until what should have happened has not."""
SLOWNESS: Final = 10
"""Real seconds to wait between two looks, for each that a look took."""
TRIES: Final = 4
"""Of one act; somebody dies in the first of them only."""
CLOSE_BLOCKS: Final = 12
"""In which a close that both have signed is final: in the first of them, and three make it final."""
POOL: Final = 1_000_000 + 2_000_000
TOLERANCE: Final = Decimal("0.02")
FEES: Final = 2_000
"""Sats; more than either side's share of commit, CET or close at 2 sat/vB."""
KILLED: Final = ("nobody", "maker", "taker", "both")
MOMENTS: Final = ("storing", "stored", "acting", "now")
Told = dict[str, Any]
"""One CFD as a party tells of it."""


@define
class Stage:
    """The two processes and the world around them."""

    maker: Party
    taker: Party
    control: ChainControl
    oracle: OracleServer
    clock: FileClock
    tally: dict[str, int] = field(factory=dict)

    @property
    def parties(self) -> tuple[Party, Party]:
        return self.maker, self.taker

    def count(self, what: str) -> None:
        self.tally[what] = self.tally.get(what, 0) + 1


class Round:
    """One CFD from order to books closed, with the deaths that its seed draws."""

    def __init__(self, stage: Stage, draw: Random) -> None:
        self.stage, self._draw = stage, draw
        self.cfd = ""
        self.exit_price = PRICE

    async def play(self) -> None:
        """`Wrong` says what must not have happened."""
        for attempt in range(TRIES):
            if await self._open(kill=attempt == 0):
                break
            self.stage.count("not opened at the first try" if attempt == 0 else "not opened at a later try")
        else:
            raise Wrong(f"two living nodes cannot open a CFD: {await self._reasons()}")
        self.stage.count("opened")
        for _ in range(self._draw.choice((0, 1, 1, 2))):
            await self._roll_over()
        ends: tuple[Callable[[], Awaitable[None]], ...] = (self._settle, self._settle, self._force_close)
        await self._draw.choice(ends)()
        await self._check()

    # --- the three acts ------------------------------------------------------------------------------------------

    async def _open(self, *, kill: bool) -> bool:
        offer = await self._publish(PRICE)
        await self._seen(offer)
        await self._arm(kill=kill)
        position = self._draw.choice(("long", "short"))
        try:
            taken = await self.stage.taker.ask(
                "take", maker=self.stage.maker.id, offer=offer, position=position, quantity=QUANTITY
            )
        except Dead:
            taken = {}
        if "refused" in taken:
            if kill:  # somebody was killed just now, and the offer is not heard of again yet
                return False
            raise Wrong(f"a good offer cannot be taken: {taken['refused']}")
        known = (await self._states())[1]
        self.cfd = taken.get("cfd") or next((key for key, told in known.items() if not told["ended"]), "")
        if not self.cfd:
            return False  # the taker died before the order was stored: nothing has happened
        self.position = position
        await self._until(_settled_in)
        told = [side.get(self.cfd) for side in await self._states()]
        return all(one and one["phase"] == "Open" for one in told)

    async def _roll_over(self) -> None:
        now = self.stage.clock.now()
        self.stage.clock.turn((now // HOUR + 1) * HOUR + 5 - now)
        before = (await self._states())[0][self.cfd]["number"]
        for attempt in range(TRIES):
            await self._arm(kill=attempt == 0)
            await self._try(self._draw.choice(self.stage.parties), "roll over")
            await self._until(_settled_in)
            numbers = [side[self.cfd]["number"] for side in await self._states()]
            if numbers[0] != numbers[1]:
                raise Wrong(f"the maker is at revision {numbers[0]}, the taker at {numbers[1]}, and nothing is open")
            if numbers[0] > before:
                self.stage.count("rolled over" if attempt == 0 else "rolled over at a later try")
                return
        raise Wrong("two living nodes cannot roll over")

    async def _settle(self) -> None:
        self.exit_price = self._draw.randrange(40_000, 62_000)
        await self._publish(self.exit_price)
        for attempt in range(TRIES):
            await self._arm(kill=attempt == 0)
            await self._try(self.stage.taker, "settle", price=str(self.exit_price))
            await self._until(_settled_in)
            if await self._close_confirms():
                return
            if any(side[self.cfd]["signed close"] for side in await self._states()):
                break  # one price is signed: there must never be a second
        await self._force_close()

    async def _close_confirms(self) -> bool:
        """Whether both see the end, a few blocks later; a close may be signed and not yet seen."""
        for _ in range(CLOSE_BLOCKS):
            told = [side[self.cfd] for side in await self._states()]
            if all(one["ended"] for one in told):
                return True
            if not any(one["signed close"] for one in told):
                return False
            await asyncio.sleep(0.3)
            await self.stage.control.mine()
        return False

    async def _force_close(self) -> None:
        told = (await self._states())[0][self.cfd]
        if not told["ended"] and told["phase"] in ("Open", "LockPending"):
            self.exit_price = self._draw.randrange(40_000, 62_000)
            event = hourly_event_id(Timestamp(told["expiry"]))
            self.stage.oracle.attest(event, self.exit_price)
            await self._arm()
            await self._try(self._draw.choice(self.stage.parties), "force close")
            self.stage.clock.turn(max(0, told["expiry"] + 15 - self.stage.clock.now()))
        await self._until(lambda m, t: bool(m["ended"] and t["ended"]))

    async def _check(self) -> None:
        maker, taker = [side[self.cfd] for side in await self._states()]
        kind = maker["kind"]
        self.stage.count(f"ended by {kind}")
        if (kind, maker["maker"], maker["taker"]) != (taker["kind"], taker["maker"], taker["taker"]):
            raise Wrong(f"the two remember different ends: {maker} and {taker}")
        if kind not in ("close", "CET"):
            raise Wrong(f"two honest parties ended by {kind}")
        paid, due = maker["taker"], expected(self.position, self.exit_price)
        allowed = FEES + (0 if kind == "close" else int(POOL * TOLERANCE))
        if abs(paid - due) > allowed:
            raise Wrong(f"the taker ({self.position}) got {paid:,} sats at {self.exit_price:,} USD, due {due:,}")

    # --- life and death ------------------------------------------------------------------------------------------

    async def _arm(self, *, kill: bool = True) -> None:
        """Decide who dies next, and when."""
        victims = self._draw.choice(KILLED) if kill else "nobody"
        for party in self.stage.parties:
            at, after, restart = self._draw.choice(MOMENTS), self._draw.randrange(1, 9), self._draw.random() < 0.2
            if victims not in (party.name, "both"):
                continue
            self.stage.count(f"armed {at}")
            if at == "now":
                await party.kill()
                await party.revive({"at": "acting", "after": after} if restart else None)
            else:
                await party.revive()
                await party.ask("die", at=at, after=after)

    async def _try(self, party: Party, do: str, **words: Any) -> None:
        try:
            answer = await party.ask(do, cfd=self.cfd, **words)
        except Dead:
            return
        if "refused" in answer:
            self.stage.count(f"refused: {do}: {answer['refused']}")

    async def _publish(self, price: int) -> str:
        now = self.stage.clock.now()
        expiry = Timestamp((now // HOUR + 24) * HOUR)
        while True:
            await self.stage.maker.revive()
            try:
                answer = await self.stage.maker.ask(
                    "publish", price=str(price), event=hourly_event_id(expiry), expiry=expiry, quantity=QUANTITY
                )
            except Dead:
                continue
            if "refused" in answer:
                raise Wrong(f"a good offer is refused: {answer['refused']}")
            return str(answer["offer"])

    async def _states(self) -> tuple[dict[str, Told], dict[str, Told]]:
        found = [await self._state(party) for party in self.stage.parties]
        return found[0]["cfds"], found[1]["cfds"]

    async def _state(self, party: Party) -> Order:
        while True:
            await party.revive()
            try:
                state = await party.ask("state")
            except Dead:
                continue
            if state["store"]:
                raise Wrong(f"the {party.name}'s store is broken: {state['store']}")
            return state

    async def _until(self, done: Callable[[Told, Told], bool]) -> None:
        """Let the world go on, block by block, until both nodes are linked and where they should come to."""
        told: list[Told] = []
        for look in range(PATIENCE):
            asked = time.monotonic()
            states = [await self._state(party) for party in self.stage.parties]
            told = [state["cfds"].get(self.cfd, _NOTHING) for state in states]
            if all(state["linked"] for state in states) and done(*told):
                return
            # what runs well on a slow machine must not time out: who answers slowly is given more time
            slow = SLOWNESS * (time.monotonic() - asked)
            await asyncio.sleep(max(0.1 if look < 10 else 0.5, min(slow, 10)))
            if look >= 4:
                await self.stage.control.mine()
            if look >= 10:
                self.stage.clock.turn(5 if look < 40 else 120)
        raise Wrong(f"stuck: maker {told[0]}, taker {told[1]}")

    async def _reasons(self) -> str:
        """What became of the CFDs of this stage that failed last, on both sides."""
        told = [[f"{one['phase']} {one['reason']}" for one in side.values()][-TRIES:] for side in await self._states()]
        return f"maker {told[0]}, taker {told[1]}"

    async def _seen(self, offer: str) -> None:
        """Wait until the taker can take the offer."""
        for _ in range(PATIENCE):
            if offer in (await self._state(self.stage.taker))["offers"]:
                return
            await asyncio.sleep(0.5)
        raise Wrong("the taker never sees the offer")


_NOTHING: Final[Told] = {"phase": "none", "ended": True, "between": False, "running": False, "signed close": False}


def _idle(told: Told) -> bool:
    """Open, and in the middle of nothing."""
    return told["phase"] == "Open" and not told["between"] and not told["running"]


def _settled_in(maker: Told, taker: Told) -> bool:
    return all(one["ended"] or _idle(one) for one in (maker, taker))


def expected(position: str, price: int) -> int:
    """The taker's payout in sats before fees, from the inverse payoff: margin + q/p - q/x for a long at 2x."""
    change = Fraction(QUANTITY * 100_000_000, PRICE) - Fraction(QUANTITY * 100_000_000, price)
    margin = Fraction(QUANTITY * 100_000_000, PRICE * 2)
    return round(margin + (change if position == "long" else -change))
