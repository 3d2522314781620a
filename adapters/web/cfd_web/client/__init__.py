"""A typed client of a node's API. `calls` has a function for each thing that can be asked; a client asks it.

with Client(find_access(folder)) as client:
    print(client.ask(calls.offers()))
"""

from cfd_web.access import Access, AccessRefused, find_access
from cfd_web.client import calls
from cfd_web.client.ask import ApiError, AsyncClient, Client, ClientError, NotRunning, Told, new_key
from cfd_web.client.calls import Call

__all__ = [
    "Access",
    "AccessRefused",
    "ApiError",
    "AsyncClient",
    "Call",
    "Client",
    "ClientError",
    "NotRunning",
    "Told",
    "calls",
    "find_access",
    "new_key",
]
