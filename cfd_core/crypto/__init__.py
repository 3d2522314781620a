"""Keys, points and signatures.

`secp` is the door to the curve library (`curve` its points and scalars), `quotients` divides by many scalars at once,
`adaptor` makes the ECDSA adaptor signatures of the DLC specification, `keys` derives every key of a node from one seed.
"""

from cfd_core.crypto.keys import CfdKeys, Keychain
from cfd_core.crypto.secp import Point, public_key

__all__ = ["CfdKeys", "Keychain", "Point", "public_key"]
