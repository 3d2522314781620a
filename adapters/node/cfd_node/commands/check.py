"""`cfd check`: whether what a start takes for granted is what the events say."""

from pathlib import Path

import click
from cfd_store import StoreError

from cfd_core.errors import CfdError
from cfd_node.commands.explain import open_store
from cfd_node.loading import compared


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="The node's folder.")
def check(folder: Path) -> None:
    """Fold all events anew and compare what comes out with the snapshots that spare a start that work.

    Reads the whole store, packed signatures aside; the node may be running. Takes about 10 ms for each CFD.
    """
    try:
        count, wrong = _compare(folder)
    except (CfdError, StoreError, OSError) as error:
        raise click.ClickException(str(error)) from error
    if wrong:
        raise click.ClickException(f"these CFDs' snapshots say something else than their events: {', '.join(wrong)}")
    click.echo(f"Snapshots that a start would use: {count}, each of them what its events say.")


def _compare(folder: Path) -> tuple[int, list[str]]:
    """How many snapshots there are, and whose are wrong."""
    store = open_store(folder)
    try:
        found = dict(compared(store))
    finally:
        store.close()
    return len(found), sorted(key for key, right in found.items() if not right)
