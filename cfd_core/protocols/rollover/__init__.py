"""Rollover: both parties move the expiry forward off-chain, by a new DLC revision and the old one's revocation."""
