"""Non-custodial bitcoin CFDs: the pure domain core."""
