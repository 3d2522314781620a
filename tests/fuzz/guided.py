"""All doors under atheris, which is guided by the coverage of our code; started by `nox -s fuzz`.

The first byte of an input names the door. Half of the mutations are libFuzzer's own, half are ours, which know the
structure.
"""

import importlib
import sys
from random import Random

import atheris

with atheris.instrument_imports(include=["cfd_core", "cfd_electrum", "cfd_network", "cfd_oracle"]):
    doors = importlib.import_module("tests.fuzz.doors")
    mutation = importlib.import_module("tests.fuzz.mutation")

DOORS = doors.doors()


def open_door(raw: bytes) -> None:
    door = DOORS[raw[0] % len(DOORS)] if raw else DOORS[0]
    try:
        door.open(raw[1:])
    except door.refusals:
        return


def mutate(raw: bytes, limit: int, seed: int) -> bytes:
    random = Random(seed)
    if random.random() < 0.5:
        return bytes(atheris.Mutate(raw, limit))
    number = raw[0] % len(DOORS) if len(raw) > 1 else random.randrange(len(DOORS))
    door = DOORS[number]
    changing = mutation.Mutator(random, door.samples)
    known = raw[1:] or random.choice(door.samples)
    changed: bytes = changing.line(known) if door.json else changing.blob(known)
    return bytes([number, *changed[: limit - 1]])


atheris.Setup(sys.argv, open_door, custom_mutator=mutate)
atheris.Fuzz()
