"""Are a counterparty's inputs what it says? Asked before anything is signed."""

from typing import Final

from cfd_core.bitcoin.transaction import TxOut
from cfd_core.values import OutPoint
from cfd_electrum import answers
from cfd_electrum.errors import ServerRefused
from cfd_electrum.server import ServerConnection
from cfd_electrum.transactions import Transactions

COINBASE_MATURITY: Final = 100
_NOTHING: Final = "0" * 64


async def output_problems(
    connection: ServerConnection, transactions: Transactions, outpoint: OutPoint, claimed: TxOut, tip: int
) -> list[str]:
    """Sentences, each naming the outpoint; none if it exists, is confirmed, mature, unspent and worth that much."""
    try:
        creator = (await transactions.get(connection, outpoint.txid)).parsed
    except ServerRefused:
        return [f"{outpoint}: no such transaction"]
    if creator is None or outpoint.vout >= len(creator.outputs):
        return [f"{outpoint}: no such output"]
    output = creator.outputs[outpoint.vout]
    if output.script != claimed.script:
        return [f"{outpoint}: pays another script"]
    if output.sats != claimed.sats:
        return [f"{outpoint}: worth {output.sats:,} sats, not {claimed.sats:,}"]
    coinbase = creator.inputs[0].outpoint.txid == _NOTHING
    return await _coin_problems(connection, outpoint, output, coinbase, tip)


async def _coin_problems(
    connection: ServerConnection, outpoint: OutPoint, output: TxOut, coinbase: bool, tip: int
) -> list[str]:
    scripthash = answers.scripthash(output.script)
    unspent = await connection.ask(answers.unspent, "blockchain.scripthash.listunspent", scripthash)
    coin = unspent.get(outpoint)
    if coin is None:
        return [f"{outpoint}: spent, or not seen by the server"]
    if coin.height == 0:
        return [f"{outpoint}: not confirmed"]
    if coin.sats != output.sats:
        return [f"{outpoint}: the server contradicts itself about its value"]
    if coinbase and tip + 1 - coin.height < COINBASE_MATURITY:
        return [f"{outpoint}: newly mined and not spendable yet"]
    return []
