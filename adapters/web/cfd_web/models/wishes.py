"""What is sent along when something is asked for, and why it was not done."""

from cfd_web.models.fields import Count, Model, Price, Reason
from cfd_web.models.node import ServiceAction


class Settlement(Model):
    """At which price to settle."""

    price: Price | None = None
    """None: the counterparty's present quote for the opposite side."""


class Choice(Model):
    """Which of the outcomes that the oracle signed to settle on."""

    outcome: Count


class Rejection(Model):
    """Why not; the counterparty reads it."""

    reason: Reason = "rejected by the user"


class ServiceOrder(Model):
    """What to do about which service."""

    service: str
    action: ServiceAction


class Problem(Model):
    """Why a request was not served."""

    code: str
    """For programs, for example `not_known`; see docs/api.md for all of them."""
    message: str
    """For people: a sentence."""
