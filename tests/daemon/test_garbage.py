"""The cyclic collector while the loop runs."""

import gc
import weakref

from daemon.garbage import EVERY_S, seldom_collected


class Cycle:
    """An object that only the cyclic collector frees."""

    def __init__(self) -> None:
        self.me = self


def test_cycles_are_collected_from_time_to_time_and_not_in_between() -> None:
    """Off while it lasts, however much is made; a call collects once it is time; on again afterwards."""
    now = 0.0
    with seldom_collected(lambda: now) as collect_if_due:
        assert not gc.isenabled()
        left = weakref.ref(Cycle())
        made = [[n] for n in range(100_000)]
        now = EVERY_S / 2
        assert not collect_if_due()
        assert left() is not None
        now = EVERY_S
        assert collect_if_due()
        assert left() is None
        assert not collect_if_due()
        del made
    assert gc.isenabled()


def test_whoever_had_it_off_finds_it_off() -> None:
    """What was so before is so after."""
    gc.disable()
    try:
        with seldom_collected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
