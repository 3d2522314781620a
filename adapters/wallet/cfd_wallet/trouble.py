"""BDK's errors, in words of ours."""

import re
from typing import Final

from cfd_core.values import Sats
from cfd_wallet.errors import InsufficientFunds, WalletError

_FUNDS: Final = re.compile(r"([0-9.]+) BTC available of ([0-9.]+) BTC needed")


def insufficient(error: Exception, amount: Sats) -> WalletError:
    """BDK tells the amounts only in a sentence."""
    found = _FUNDS.search(str(error))
    if found is None:
        return WalletError(f"no coins can be chosen for {amount:,} sats: {named(error)}")
    available, needed = (int(text.replace(".", "")) if "." in text else int(text) * 10**8 for text in found.groups())
    return InsufficientFunds(needed, available)


def named(error: Exception) -> str:
    """The class, since BDK's texts say little without it, and the text, cut to size."""
    return f"{type(error).__name__} {error}"[:300].strip()
