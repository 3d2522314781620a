"""Long-running parts that look after themselves: started, watched, begun again, stopped, each on its own."""

from cfd_node.supervision.health import Health, Level
from cfd_node.supervision.service import Service, ServiceFailed, Tell
from cfd_node.supervision.supervisor import Supervisor

__all__ = ["Health", "Level", "Service", "ServiceFailed", "Supervisor", "Tell"]
