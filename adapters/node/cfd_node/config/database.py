"""The database's URL, which holds a password: from the settings or from a file that only its owner can read."""

from pathlib import Path
from typing import Final

from cfd_core.errors import RuleViolation
from cfd_core.values import Secret
from cfd_node.config.reading import ConfigError
from cfd_node.config.settings import Config, check_database_url
from cfd_node.folder import FolderRefused, check_private

MAX_URL: Final = 4096


def database_url(config: Config) -> Secret | None:
    """Where the books are; None: in a file in the node's folder. `ConfigError` never quotes the URL."""
    url, file = config.database.url, config.database.url_file
    if url is not None and file is not None:
        raise ConfigError(["database.url and database.url_file are both set: which one is it?"])
    return url if file is None else _read(file)


def _read(file: Path) -> Secret:
    try:
        check_private(file)
        with file.open() as opened:
            line = opened.readline(MAX_URL).strip()
        check_database_url(line)
    except (OSError, FolderRefused) as error:
        raise ConfigError([f"database.url_file: {error}"]) from error
    except (UnicodeDecodeError, RuleViolation):
        raise ConfigError([f"database.url_file: the first line of {file} is not the URL of a database"]) from None
    return Secret(line.encode())
