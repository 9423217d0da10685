"""The cyclic collector while the loop runs."""

import gc
import platform
import subprocess
import sys
import weakref

import pytest

from daemon.garbage import EVERY_S, FIRST_S, seldom_collected, started_clean


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


def test_after_a_start_that_left_nothing_only_what_came_since_is_looked_through() -> None:
    """The first collection passes over what the start made; at the end all of it is ordinary again."""
    before = Cycle()
    started_clean()
    kept, now = weakref.ref(before), 0.0
    del before
    with seldom_collected(lambda: now) as collect_if_due:
        since = weakref.ref(Cycle())
        now = FIRST_S
        assert collect_if_due()
        assert (since() is None, kept() is None) == (True, False)
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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators are left alone")
@pytest.mark.parametrize(("much", "apart"), [(0, True), (2**62, False)])
def test_once_much_is_resident_large_arrays_are_gone_when_they_are_dropped(much: int, apart: bool) -> None:
    """Else they leave holes below the last one, as the allocator has learnt to cut them from the heap."""
    script = f"""
import numpy as np
from daemon import garbage
garbage._MUCH = {much}
learnt = np.ones(2**21)
del learnt
with garbage.seldom_collected() as collect_if_due:
    collect_if_due()
    arrays = [np.ones(2**19) for _ in range(16)]
    last, before = arrays[-1], garbage.resident()
    del arrays
    print(before - garbage.resident())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert (int(done.stdout) > 15 * 2**22 - 2**20) == apart
