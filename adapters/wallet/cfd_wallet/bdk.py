"""The one door to bdkpython: an opened wallet, blocking, to be used from one thread.

Nothing is durable in BDK before `persist`; every method here persists before it returns.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Self

import bdkpython as bdk
from embit import base58

from cfd_core.bitcoin.transaction import MAX_MONEY
from cfd_core.values import MAX_FEE_RATE, Network, OutPoint, Sats, Secret, Txid
from cfd_wallet import views
from cfd_wallet.errors import SyncFailed, WalletError
from cfd_wallet.payments import HistoryEntry, WatchOnly
from cfd_wallet.trouble import insufficient, named
from cfd_wallet.values import Coin

STOP_GAP: Final = 50
BATCH: Final = 20
COINBASE_MATURITY: Final = 100
_NETWORKS: Final = {
    Network.REGTEST: bdk.Network.REGTEST,
    Network.SIGNET: bdk.Network.SIGNET,
    Network.TESTNET4: bdk.Network.TESTNET4,
    Network.MAINNET: bdk.Network.BITCOIN,
}
_LOCK_SCRIPT: Final = bytes.fromhex("0020") + bytes(32)
_CHANGE_SCRIPT: Final = bytes.fromhex("0014") + bytes(20)
"""Stand-ins while coins are chosen: only their lengths matter."""
_MAIN_MASTER: Final = bytes.fromhex("0488ade4") + bytes(9)
_TEST_MASTER: Final = bytes.fromhex("04358394") + bytes(9)
"""BIP 32: version (xprv, tprv), then depth, parent fingerprint and child number, all zero for a master key."""


class ElectrumLink:
    """The network side: may block for long, so it has a thread of its own."""

    def __init__(self, where: Callable[[], tuple[str, int]], timeout: int) -> None:
        self._where, self._timeout = where, timeout
        self._client: Any = None

    def fetch(self, request: Any, *, everything: bool) -> Any:
        """Run a scan or sync request; `SyncFailed` with the reason."""
        host, port = self._where()
        try:
            if self._client is None:
                self._client = bdk.ElectrumClient(f"tcp://{host}:{port}", timeout=self._timeout, retry=1)
            if everything:
                return self._client.full_scan(request, STOP_GAP, BATCH, True)
            return self._client.sync(request, BATCH, True)
        except Exception as error:  # bdkpython has a dozen unrelated classes, and panics are one more
            self._client = None
            raise SyncFailed(f"{host}:{port}: {named(error)}") from error


class OpenWallet:
    """BIP 84 descriptors, SQLite or memory."""

    def __init__(self, wallet: Any, persister: Any, network: Any) -> None:
        self._wallet, self._persister, self._network = wallet, persister, network

    @classmethod
    def open(cls, xprv: Secret, network: Network, path: Path | None) -> Self:
        """Open the file, or create it; `WalletError` for a wrong seed or a broken file, which stays as it is."""
        external, internal = _descriptors(xprv, network)
        wanted = _NETWORKS[network]
        try:
            persister = bdk.Persister.new_in_memory() if path is None else bdk.Persister.new_sqlite(str(path))
            wallet = _load(external, internal, persister) if path is not None else None
            if wallet is None:
                wallet = bdk.Wallet(external, internal, wanted, persister)
                wallet.persist(persister)
        except bdk.LoadWithPersistError.InvalidChangeSet:
            raise WalletError(f"the wallet file {path} belongs to another seed or network") from None
        except Exception as error:
            raise WalletError(f"the wallet file {path} cannot be opened: {named(error)}") from error
        if wallet.network() != wanted:
            raise WalletError(f"the wallet file {path} belongs to another network")
        return cls(wallet, persister, wanted)

    def start_sync(self) -> tuple[Any, bool]:
        """A request for `ElectrumLink.fetch`, and whether it is the first, which looks at unrevealed addresses too."""
        if self._wallet.latest_checkpoint().height == 0:
            return self._wallet.start_full_scan().build(), True
        return self._wallet.start_sync_with_revealed_spks().build(), False

    def apply(self, update: Any) -> None:
        try:
            self._wallet.apply_update(update)
        except Exception as error:
            raise SyncFailed(f"the server's answers do not fit together: {named(error)}") from error
        self._persist()

    def address(self) -> str:
        return str(self._reveal(bdk.KeychainKind.EXTERNAL))

    def script(self, *, change: bool = False) -> bytes:
        """A fresh script of ours."""
        keychain = bdk.KeychainKind.INTERNAL if change else bdk.KeychainKind.EXTERNAL
        return bytes(self._reveal(keychain).script_pubkey().to_bytes())

    def balance(self) -> tuple[Sats, Sats]:
        """Confirmed and mature, everything else."""
        balance = self._wallet.balance()
        confirmed = balance.confirmed.to_sat()
        return Sats(confirmed), Sats(balance.total.to_sat() - confirmed)

    def worth(self, outpoints: set[OutPoint]) -> Sats:
        """The sum of those that are confirmed and unspent."""
        return Sats(
            sum(
                output.txout.value.to_sat()
                for output in self._wallet.list_unspent()
                if _outpoint(output.outpoint) in outpoints and output.chain_position.is_confirmed()
            )
        )

    def select(self, amount: Sats, fee_rate: int, taken: set[OutPoint]) -> tuple[Coin, ...]:
        """Few confirmed coins worth `amount` plus a transaction that moves it; none of `taken`."""
        if not 1 <= amount <= MAX_MONEY or not 1 <= fee_rate <= MAX_FEE_RATE:
            raise WalletError(f"{amount:,} sats at {fee_rate:,} sat/vB cannot be reserved")
        builder = (
            bdk.TxBuilder()
            .add_recipient(bdk.Script(_LOCK_SCRIPT), bdk.Amount.from_sat(amount))
            .drain_to(bdk.Script(_CHANGE_SCRIPT))
            .fee_rate(bdk.FeeRate.from_sat_per_vb(fee_rate))
            .coin_selection(bdk.CoinSelectionAlgorithm.LARGEST_FIRST)
            .exclude_unconfirmed()
            .unspendable([_bdk_outpoint(outpoint) for outpoint in sorted(taken)])
        )
        try:
            selected = builder.finish(self._wallet)
        except (bdk.CreateTxError.CoinSelection, bdk.CreateTxError.InsufficientFunds) as error:
            raise insufficient(error, amount) from error
        except bdk.CreateTxError as error:
            raise WalletError(f"no coins can be chosen: {named(error)}") from error
        return tuple(self.coin(OutPoint.parse(text)) for text in _input_outpoints(selected))

    def largest_first(self, taken: set[OutPoint]) -> Iterator[Coin]:
        """Confirmed coins that can be spent now, none of `taken`."""
        confirmed = (output for output in self._wallet.list_unspent() if output.chain_position.is_confirmed())
        free = [output for output in confirmed if _outpoint(output.outpoint) not in taken]
        for output in sorted(free, key=lambda each: (-each.txout.value.to_sat(), str(_outpoint(each.outpoint)))):
            if self._mature(output):
                yield self.coin(_outpoint(output.outpoint))

    def _mature(self, output: Any) -> bool:
        depth = (
            self._wallet.latest_checkpoint().height + 1 - output.chain_position.confirmation_block_time.block_id.height
        )
        known = self._wallet.get_tx(output.outpoint.txid)
        return depth >= COINBASE_MATURITY or not known.transaction.is_coinbase()

    def coin(self, outpoint: OutPoint) -> Coin:
        known = self._wallet.get_tx(bdk.Txid.from_string(outpoint.txid))
        if known is None:
            raise WalletError(f"the wallet does not know {outpoint}")
        output = known.transaction.output()[outpoint.vout]
        raw = bytes(known.transaction.serialize())
        return Coin(outpoint, Sats(output.value.to_sat()), bytes(output.script_pubkey.to_bytes()), raw)

    def owns(self, outpoint: OutPoint) -> bool:
        """Did this output, spent or not, ever pay us?"""
        known = self._wallet.get_tx(bdk.Txid.from_string(outpoint.txid))
        outputs = known.transaction.output() if known is not None else []
        return outpoint.vout < len(outputs) and bool(self._wallet.is_mine(outputs[outpoint.vout].script_pubkey))

    def owns_script(self, script: bytes) -> bool:
        return bool(self._wallet.is_mine(bdk.Script(script)))

    def script_of(self, address: str) -> bytes:
        """The script of any address of this network; `WalletError` for anything else."""
        return views.script_of(address, self._network)

    def unsigned_payment(
        self, script: bytes, sats: Sats | None, rate: int, taken: set[OutPoint], change: bytes
    ) -> bytes:
        """See `views.unsigned_payment`."""
        return views.unsigned_payment(self._wallet, script, sats, rate, taken, change)

    def history(self) -> tuple[HistoryEntry, ...]:
        """Every transaction, newest first."""
        return views.history(self._wallet)

    def depth_of(self, txid: Txid) -> int | None:
        """Confirmations; None for a transaction that is not seen."""
        return views.depth_of(self._wallet, txid)

    def watch_only(self) -> WatchOnly:
        """The public descriptors."""
        return views.public_descriptors(self._wallet)

    def sign(self, psbt_base64: str) -> str:
        """Sign and finalise what can be; base64 in and out. Trusts the outputs that the PSBT says it spends."""
        options = bdk.SignOptions(
            trust_witness_utxo=True,
            assume_height=None,
            allow_all_sighashes=False,
            try_finalize=True,
            sign_with_tap_internal_key=True,
            allow_grinding=True,
        )
        psbt = bdk.Psbt(psbt_base64)
        self._wallet.sign(psbt, options)
        return str(psbt.serialize())

    def _reveal(self, keychain: Any) -> Any:
        address = self._wallet.reveal_next_address(keychain).address
        self._persist()
        return address

    def _persist(self) -> None:
        try:
            self._wallet.persist(self._persister)
        except Exception as error:
            raise WalletError(f"the wallet file cannot be written: {named(error)}") from error


def _descriptors(xprv: Secret, network: Network) -> tuple[Any, Any]:
    main = network is Network.MAINNET
    kind = bdk.NetworkKind.MAIN if main else bdk.NetworkKind.TEST
    try:
        text = xprv.reveal().decode("ascii")
        if base58.decode_check(text)[: len(_MAIN_MASTER)] != (_MAIN_MASTER if main else _TEST_MASTER):
            raise ValueError  # BDK would take a test key for mainnet, or a derived key
        key = bdk.DescriptorSecretKey.from_string(text)
        external = bdk.Descriptor.new_bip84(key, bdk.KeychainKind.EXTERNAL, kind)
        internal = bdk.Descriptor.new_bip84(key, bdk.KeychainKind.INTERNAL, kind)
    except Exception:  # from None: the cause may quote the key
        raise WalletError(f"not a master private key for {network.value}") from None
    return external, internal


def _load(external: Any, internal: Any, persister: Any) -> Any:
    try:
        return bdk.Wallet.load(external, internal, persister)
    except bdk.LoadWithPersistError.CouldNotLoad:  # a new file
        return None


def _input_outpoints(psbt: Any) -> list[str]:
    # the unsigned transaction is only reachable through extract, which does not ask for signatures
    inputs = psbt.extract_tx_unchecked_fee_rate().input()
    return [f"{tx_in.previous_output.txid}:{tx_in.previous_output.vout}" for tx_in in inputs]


def _outpoint(outpoint: Any) -> OutPoint:
    return OutPoint(Txid(str(outpoint.txid)), outpoint.vout)


def _bdk_outpoint(outpoint: OutPoint) -> Any:
    return bdk.OutPoint(txid=bdk.Txid.from_string(outpoint.txid), vout=outpoint.vout)
