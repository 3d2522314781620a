"""The node's pages, for people. They ask the same API as everybody else; leave them away and nothing else changes."""

from cfd_web.pages.mount import mount_pages

__all__ = ["mount_pages"]
