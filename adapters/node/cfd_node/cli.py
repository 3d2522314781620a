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
    # locals in a traceback could be keys: only the plain one is shown
    plain = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.TimeStamper(fmt="iso"), plain],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=click.get_text_stream("stderr")),
    )
    # AsyncSSH logs text that peers chose
    logging.getLogger("asyncssh").setLevel(logging.ERROR)


main.add_command(demo)
main.add_command(payouts)
main.add_command(oracle)
