"""A node's settings: one TOML file, the environment over it, flags over both."""

from cfd_node.config.database import database_url
from cfd_node.config.example import example
from cfd_node.config.mainnet import check_mainnet
from cfd_node.config.reading import ConfigError, load_config, parse_config
from cfd_node.config.settings import ACKNOWLEDGEMENT, Config, MakerAddress, Traffic, Workers

__all__ = [
    "ACKNOWLEDGEMENT",
    "Config",
    "ConfigError",
    "MakerAddress",
    "Traffic",
    "Workers",
    "check_mainnet",
    "database_url",
    "example",
    "load_config",
    "parse_config",
]
