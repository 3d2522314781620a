"""A whole market on one machine, with worthless money: chain, oracle, a maker with a bot, a taker with coins."""

from cfd_node.sandbox.world import Sandbox, SandboxPlan

__all__ = ["Sandbox", "SandboxPlan"]
