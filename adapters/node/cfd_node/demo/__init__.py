"""`cfd demo`: a maker and a taker open a CFD and settle it on a recorded oracle price."""
