"""The CFD aggregate: commands, decisions, events, the fold, the lifecycle table, and the read model."""
