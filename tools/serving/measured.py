"""What a service counts of itself, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)  # seconds


class Measured:
    """Counters of one service."""

    def __init__(self):
        registry = self.registry = CollectorRegistry()
        self.requests = Counter("requests", "Requests by path and status", ["path", "status"], registry=registry)
        self.seconds = Histogram(
            "request_seconds", "Time to the answer", ["path"], buckets=BUCKETS, registry=registry
        )  # fmt: skip
        self.unknown = Counter("unknown_items", "Items of histories that the model doesn't know", registry=registry)
        self.empty = Counter("empty_lists", "Lists without an item", registry=registry)
        self.popular = Counter("popular_lists", "Lists of the most popular items", registry=registry)
        self.exports = Counter("exports", "Exports that were put in place, by outcome", ["outcome"], registry=registry)
        self.ready = Gauge("ready", "1 where an export is open", registry=registry)

    def count(self, path, seconds, status, unknown=0, empty=0, popular=0):
        """Count an answer."""
        self.requests.labels(path, status).inc()
        self.seconds.labels(path).observe(seconds)
        for counter, number in ((self.unknown, unknown), (self.empty, empty), (self.popular, popular)):
            if number:
                counter.inc(number)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)
