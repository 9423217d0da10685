"""The cyclic collector while the loop runs."""

import gc
import weakref

from daemon.garbage import EVERY_S, FIRST_S, seldom_collected


class Cycle:
    """An object that only the cyclic collector frees."""

    def __init__(self) -> None:
        self.me = self


def test_cycles_are_collected_from_time_to_time_and_not_in_between() -> None:
    """Off while it lasts, however much is made; a call collects once it is time; on again afterwards."""
    now = -FIRST_S
    with seldom_collected(lambda: now) as collect_if_due:
        assert not gc.isenabled()
        assert not collect_if_due()
        now = 0.0
        assert collect_if_due()
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


def test_the_first_collection_takes_what_a_start_left_and_keeps_the_rest_out_of_the_others() -> None:
    """Garbage of the imports goes; what is in use is not looked through again until the block ends."""
    garbage, used = weakref.ref(Cycle()), Cycle()
    now = 0.0
    with seldom_collected(lambda: now) as collect_if_due:
        now = FIRST_S
        assert collect_if_due()
        assert garbage() is None
        kept = weakref.ref(used)
        del used
        now += EVERY_S
        assert collect_if_due()
        assert kept() is not None
    gc.collect()
    assert kept() is None


def test_whoever_had_it_off_finds_it_off() -> None:
    """What was so before is so after."""
    gc.disable()
    try:
        with seldom_collected():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
