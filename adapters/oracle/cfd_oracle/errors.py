"""What can go wrong between us and an oracle. One base class, so that callers can catch all of it."""


class OracleError(Exception):
    """The oracle did not give us what we asked for."""


class NotYet(OracleError):
    """The event is known and not attested yet; ask again later."""


class UnknownEvent(OracleError):
    """The oracle does not know this event; asking again will not help."""


class Malformed(OracleError):
    """The oracle answered something that is not an answer: wrong form, too long, a redirect."""


class Forged(OracleError):
    """Well-formed, and proven wrong: another event, a bad signature, a bad scalar."""


class Down(OracleError):
    """No answer: refused, unreachable, too slow, or an error of its own; ask again later."""
