"""All crash points of all stories: `python -m tests.core.crashes.campaign [--story TEXT] [--every N] [--losses]`.

With `--losses` the one that dies loses its machine as well, and a backup is put back on another. Prints each story with
its number of points, how many were tried and how many went wrong, and at the end the sums and the processor time. Exit
code 1 when any went wrong.
"""

import argparse
import sys
import time
from itertools import islice

from cfd_core.testing import World
from cfd_core.testing.crashes import Campaign, failures
from cfd_core.testing.losses import restores
from cfd_core.testing.stories import stories
from tests.core.conftest import engine_accepts

SHOWN = 3
"""Failures of one story that are told in full."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--story", default="", help="only stories with this text in their names")
    parser.add_argument("--every", type=int, default=1, help="one point of so many")
    parser.add_argument("--losses", action="store_true", help="machines that are gone, in the place of deaths")
    chosen = parser.parse_args()
    World.accepts = staticmethod(engine_accepts)
    began, tried, wrong = time.process_time(), 0, 0
    for story in (*stories(), *restores()):
        if chosen.story in story.name:
            campaign = Campaign(story)
            points = campaign.losses() if chosen.losses else campaign.points()
            results = list(failures(campaign, islice(points, 0, None, chosen.every)))
            found = [result for result in results if result is not None]
            print(f"{story.name:64} {len(results):6,} crash points, {len(found)} wrong", flush=True)
            for failure in found[:SHOWN]:
                print(f"    {failure}", flush=True)
            tried, wrong = tried + len(results), wrong + len(found)
    seconds = time.process_time() - began
    print(f"{tried:,} crash points tried, {wrong} wrong, {seconds:.0f} s of processor time")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
