"""The one door to embit: transactions, scripts, PSBT, weights and fees."""
