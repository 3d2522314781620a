"""The routes of `/api/v1`, a module for each part of the desk."""

from typing import Final

PREFIX: Final = "/api/v1"
"""Of every path. Another major version would be another prefix beside it."""
