"""The command line `cfd`."""

import logging

import click
import structlog

from cfd_node.commands.demo import demo
from cfd_node.commands.oracle import oracle
from cfd_node.commands.payouts import payouts


@click.group()
@click.version_option(package_name="cfd-node")
@click.option("-v", "--verbose", is_flag=True, help="Show the nodes' logs on standard error.")
def main(verbose: bool) -> None:
    """Non-custodial bitcoin CFDs, settled by discreet log contracts."""
    level = logging.INFO if verbose else logging.ERROR
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=click.get_text_stream("stderr")),
    )
    # AsyncSSH logs text that peers chose
    logging.getLogger("asyncssh").setLevel(logging.ERROR)


main.add_command(demo)
main.add_command(payouts)
main.add_command(oracle)
