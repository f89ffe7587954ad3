"""What a process remembers of refusals: for how long, and how many at most."""

from scheduling.throttling import refusals
from scheduling.throttling.refusals import Refusals


def test_a_refusal_is_known_as_long_as_it_certainly_stands():
    now = [100.0]
    kept = Refusals(lambda: now[0])
    kept.keep(b"a", certain=1, seconds=60)
    kept.keep(b"b", certain=600, seconds=60)
    now[0] += 0.5
    assert kept.left(b"a") == (0.5, 59.5)
    assert kept.left(b"c") is None
    now[0] += 0.5
    assert kept.left(b"a") is None
    assert kept.left(b"b") == (59, 59)
    now[0] += 59
    assert kept.left(b"b") is None
    assert len(kept) == 0


def test_the_oldest_ones_give_way(monkeypatch):
    monkeypatch.setattr(refusals, "CAPACITY", 3)
    kept = Refusals()
    for name in (b"a", b"b", b"c", b"a", b"d"):
        kept.keep(name, certain=60, seconds=60)
    assert [name for name in (b"a", b"b", b"c", b"d") if kept.left(name)] == [b"a", b"c", b"d"]
    kept.forget(b"a")
    kept.forget(b"never kept")
    assert kept.left(b"a") is None
    kept.clear()
    assert len(kept) == 0


def test_a_linked_key_is_refused_whenever_the_other_one_is():
    now = [100.0]
    kept = Refusals(lambda: now[0])
    kept.link(b"pair", b"account", seconds=60)
    assert kept.left(b"pair") is None
    kept.keep(b"account", certain=1, seconds=60)
    assert kept.left(b"pair") == (1, 60)
    now[0] += 1
    assert kept.left(b"pair") is None
    kept.keep(b"account", certain=30, seconds=59)
    assert kept.left(b"pair") == (30, 59)
    kept.forget(b"pair")
    assert kept.left(b"pair") is None
    kept.link(b"pair", b"account", seconds=5)
    now[0] += 5
    assert kept.left(b"pair") is None
