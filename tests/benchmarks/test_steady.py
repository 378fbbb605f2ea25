"""How steady a processor is, on a clock of our own."""

from types import SimpleNamespace

from benchmarks.speed import steady


def test_windows_that_take_longer_are_counted(monkeypatch):
    now = {"wall": 0.0, "work": 0.0}

    def perf_counter():
        return now["wall"]

    def sort(values):
        slow = 1.0 < now["wall"] < 1.5  # 10 windows of 100
        now["wall"] += 0.01
        now["work"] += 0.03 if slow else 0.01

    monkeypatch.setattr(steady, "time", SimpleNamespace(perf_counter=perf_counter, thread_time=lambda: now["work"]))
    monkeypatch.setattr(steady.np, "sort", sort)
    assert abs(steady.slow_share(5) - 0.1) < 0.015
