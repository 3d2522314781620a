"""The engine: the front desk of the core."""

from cfd_core.engine.front_desk import Engine, Step
from cfd_core.engine.settings import Policy, Settings
from cfd_core.engine.turn import NODE_STREAM, Run

__all__ = ["NODE_STREAM", "Engine", "Policy", "Run", "Settings", "Step"]
