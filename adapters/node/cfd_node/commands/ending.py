"""How commands that run on are told to end."""

import asyncio
import signal


def stopped_by_signal() -> asyncio.Event:
    """Set by the first Ctrl-C or SIGTERM, after which a second one does what it usually does."""
    ended, loop = asyncio.Event(), asyncio.get_running_loop()

    def stop(number: int) -> None:
        ended.set()
        loop.remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    return ended
