"""The crypto jobs on a Dask cluster of two worker processes: a program, since a cluster's own warnings are not ours.

Prints "done" when the cluster signed as one call does, accepted what is valid and named what is not.
"""

import asyncio
import hashlib
from multiprocessing import freeze_support

import dask
from attrs import evolve
from cfd_node.jobs import JobRunner
from distributed import Client, LocalCluster

from cfd_core.contract.jobs import SignCetsJob, VerifyCetsJob, sign_cets
from cfd_core.crypto.secp import public_key
from cfd_core.values import Secret

PATIENCE = {"distributed.comm.timeouts.connect": "300s", "distributed.comm.timeouts.tcp": "300s"}
"""A busy machine takes long to start two processes."""
COUNT = 9
KEY = Secret(hashlib.sha256(b"key").digest())


def job() -> SignCetsJob:
    digests = [hashlib.sha256(b"digest %d" % number).digest() for number in range(COUNT)]
    secrets = [Secret(hashlib.sha256(b"point %d" % number).digest()) for number in range(COUNT)]
    return SignCetsJob(KEY, b"".join(digests), tuple(map(public_key, secrets)), bytes(32))


async def work(runner: JobRunner) -> None:
    signing = job()
    signed = await runner.sign(signing)
    assert signed == sign_cets(signing)
    checking = VerifyCetsJob(public_key(KEY).encode(), signing.digests, signing.points, signed)
    assert await runner.verify(checking) is None
    assert await runner.verify(evolve(checking, signatures=signed[:-1] + bytes([signed[-1] ^ 1]))) == COUNT - 1


def main() -> None:
    """`pure=False`: Dask must not take one job for another and answer from memory."""
    dask.config.set(PATIENCE)
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1")  # type: ignore[no-untyped-call]
    with cluster, Client(cluster) as client:  # type: ignore[no-untyped-call]
        asyncio.run(work(JobRunner(client.get_executor(pure=False), 2)))
    print("done")


if __name__ == "__main__":
    freeze_support()
    main()
