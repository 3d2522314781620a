"""The door to Bitcoin Core's validation engine (py-bitcoinkernel, import name pbk)."""

import logging
import re
import threading
from collections import deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pbk

from cfd_regtest.errors import BlockRefused
from cfd_regtest.transactions import Tx, TxOutput

log = logging.getLogger(__name__)

# the engine's log belongs to the whole process: one block at a time, so that a reason is read by its own chain
_ENGINE = threading.RLock()
_LINES: deque[str] = deque(maxlen=64)
_REASON = re.compile(r"(?:failed, |FAILED \()([a-z].*?)\)?$", re.MULTILINE)


@cache
def _listen_to_log() -> Any:
    options = pbk.LoggingOptions(log_timestamps=False)
    pbk.logging_set_options(options)
    pbk.set_log_level_category(pbk.LogCategory.ALL, pbk.LogLevel.INFO)
    return pbk.LoggingConnection(cb=_keep_line)


def _keep_line(line: str) -> None:
    _LINES.append(line)


class Kernel:
    """One regtest chain state. Databases in memory; the engine always writes block files under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._verdict = ""
        with _ENGINE:
            _listen_to_log()
            # the callbacks object must live as long as the context: C code calls into it
            self._callbacks = pbk.ValidationInterfaceCallbacks(block_checked=self._on_checked)
            self._context = pbk.make_context(pbk.ChainType.REGTEST, validation_callbacks=self._callbacks)
            options = pbk.ChainstateManagerOptions(self._context, str(folder), str(folder / "blocks"))
            options.update_block_tree_db_in_memory(True)
            options.update_chainstate_db_in_memory(True)
            options.set_worker_threads_num(0)
            self._manager: Any = pbk.ChainstateManager(options)

    def close(self) -> None:
        """Let go of the engine; the object is of no use afterwards."""
        with _ENGINE:
            self._manager = self._context = self._callbacks = None

    @property
    def height(self) -> int:
        return int(self._manager.get_active_chain().height)

    def hash_at(self, height: int) -> str:
        """The active chain's block hash, display order."""
        return str(self._manager.get_active_chain().block_tree_entries[height].block_hash)

    def process(self, raw: bytes) -> None:
        """Give a block to the engine; `BlockRefused` if it is invalid. A valid one may stay on a side branch."""
        with _ENGINE:
            self._verdict = ""
            _LINES.clear()
            try:
                self._manager.process_block(pbk.Block(raw))
            except pbk.ProcessBlockException as error:
                raise BlockRefused(self._reason()) from error
            except RuntimeError as error:
                raise BlockRefused("undecodable") from error
            # a block that fails while it is connected is no exception: only the callback tells
            if self._verdict:
                raise BlockRefused(self._reason())

    def script_failure(self, tx: Tx, spent: Sequence[TxOutput]) -> int | None:
        """The first input whose script does not hold, or None. `spent` are the outputs of all inputs, in order."""
        engine_tx = pbk.Transaction(tx.raw)
        scripts = [pbk.ScriptPubkey(out.script) for out in spent]
        outputs = [pbk.TransactionOutput(script, out.sats) for script, out in zip(scripts, spent, strict=True)]
        known = pbk.script.PrecomputedTransactionData(engine_tx, outputs)
        for n, (script, out) in enumerate(zip(scripts, spent, strict=True)):
            if not script.verify(out.sats, engine_tx, known, n, pbk.ScriptVerificationFlags.ALL):
                return n
        return None

    def _on_checked(self, _user_data: Any, _block: Any, state: Any) -> None:
        # `state` dies when this returns: keep words, not the object
        if state.validation_mode != pbk.ValidationMode.VALID:
            self._verdict = str(state.block_validation_result.name).lower()

    def _reason(self) -> str:
        for line in reversed(_LINES):
            if found := _REASON.search(line):
                return found.group(1)
        log.debug("no reason in the engine's log: %s", list(_LINES))
        return self._verdict or "refused"
