"""Figures for Prometheus: of the API's own requests, and of the node as its desk tells them."""

from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from attrs import frozen
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from cfd_web import models as m
from cfd_web.desk import Desk, DeskError
from cfd_web.feed import Feed


@frozen(eq=False)
class _Gauges(Collector):
    """One moment's figures."""

    metrics: tuple[Metric, ...]

    def collect(self) -> Iterable[Metric]:
        return self.metrics


class Metrics:
    """Counts requests, and asks the desk when it is asked itself."""

    MEDIA_TYPE: Final = CONTENT_TYPE_LATEST

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._requests = CollectorRegistry()
        self._served = Counter(
            "cfd_api_requests", "Requests served", ["route", "method", "status"], registry=self._requests
        )
        self._seconds = Histogram("cfd_api_seconds", "Time to answer", ["route"], registry=self._requests)

    def count(self, route: str, method: str, status: int, seconds: float) -> None:
        """One request was served; `route` is its template, so that there are few of them."""
        self._served.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    async def text(self, desk: Desk) -> bytes:
        """All figures. What the desk cannot tell now is left out."""
        now = CollectorRegistry()
        now.register(_Gauges(tuple(await _node(desk, self._feed))))
        return generate_latest(self._requests) + generate_latest(now)


async def _node(desk: Desk, feed: Feed) -> list[Metric]:
    found: list[Metric] = [_gauge("cfd_api_streams", "Event streams that are open", feed.readers)]
    found.append(_services(await desk.node.health()))
    found.extend(_cfds(await desk.trading.cfds(over=None)))
    with suppress(DeskError):
        found.append(_gauge("cfd_tip_height", "Height of the best block", (await desk.node.tip()).height))
    with suppress(DeskError):
        found.extend(_wallet(await desk.wallet.wallet()))
    return found


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)


def _services(health: m.Health) -> Metric:
    metric = GaugeMetricFamily("cfd_service_running", "1: runs; 0.5: degraded; 0: does not run", labels=["service"])
    worth = {m.ServiceState.RUNNING: 1.0, m.ServiceState.DEGRADED: 0.5}
    for service in health.services:
        metric.add_metric([service.name], worth.get(service.state, 0.0))
    return metric


def _cfds(cfds: m.Cfds) -> Iterator[Metric]:
    count = GaugeMetricFamily("cfd_contracts", "CFDs in each state", labels=["state", "position"])
    for (state, position), number in sorted(Tally((row.state, row.position.value) for row in cfds.cfds).items()):
        count.add_metric([state, position], number)
    yield count
    alive = [row for row in cfds.cfds if not row.over]
    yield _gauge("cfd_margin_sats", "Margin of this node in CFDs that are not over", sum(r.margin for r in alive))
    yield _gauge("cfd_warnings", "CFDs that need a person", sum(bool(row.warning) for row in alive))
    yield _gauge("cfd_realised_sats", "Gain of all CFDs that are over", sum(row.realised or 0 for row in cfds.cfds))


def _wallet(wallet: m.Wallet) -> Iterator[Metric]:
    yield _gauge("cfd_wallet_spendable_sats", "Confirmed and not set aside", wallet.spendable)
    yield _gauge("cfd_wallet_reserved_sats", "Set aside for contracts under way", wallet.reserved)
    yield _gauge("cfd_wallet_pending_sats", "On its way in", wallet.pending)
