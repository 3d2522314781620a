"""Collaborative settlement: both parties close the CFD at an agreed price."""
