"""QR codes of addresses, for pages and terminals; made here, so that no address leaves the machine for one."""

from io import StringIO

import segno

from cfd_core.bitcoin.transaction import MAX_MONEY
from cfd_core.values import SATS_PER_BTC, Sats
from cfd_wallet.errors import WalletError


def payment_uri(address: str, sats: Sats | None = None) -> str:
    """`bitcoin:address`, with an amount if one is given (BIP 21)."""
    if not address.isalnum() or not address.isascii() or len(address) > 100:
        raise WalletError(f"not an address: {address!r:.110}")
    if sats is None:
        return f"bitcoin:{address}"
    if not 0 < sats <= MAX_MONEY:
        raise WalletError(f"{sats:,} sats cannot be asked for")
    return f"bitcoin:{address}?amount={sats // SATS_PER_BTC}.{sats % SATS_PER_BTC:08}"


def qr_svg(uri: str) -> str:
    """An SVG element, dark on white so that cameras read it on any page."""
    return str(segno.make_qr(uri, error="m").svg_inline(scale=4, border=4, light="white"))


def qr_text(uri: str) -> str:
    """Lines of block characters for a terminal."""
    drawn = StringIO()
    segno.make_qr(uri, error="m").terminal(out=drawn, border=2, compact=True)
    return drawn.getvalue()
