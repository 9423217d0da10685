"""What is told of a version, and what a segment can tell better by itself."""

from __future__ import annotations

from processors.estimation import reliability

VERSION, SEGMENT = 3, 4


def test_what_moved_in_a_version_moved_in_its_segments() -> None:
    """Until a window of the version closes in which nothing has: whatever the segment's own checks said."""
    state = reliability.initial()
    reliability.note_checked(state, SEGMENT, 0.0)
    reliability.note_moved(state, VERSION, "amount")
    assert "feature amount moved" in reliability.why(state, SEGMENT, VERSION)
    reliability.note_moved(state, VERSION, None)
    assert reliability.why(state, SEGMENT, VERSION) == ""


def test_a_segment_is_as_doubtful_as_its_version_until_its_own_labels_say_otherwise() -> None:
    """A refuted estimate of the version counts for a segment that was never checked, and for no other."""
    state = reliability.initial()
    reliability.note_checked(state, VERSION, 0.07)
    assert reliability.why(state, SEGMENT, VERSION).endswith(
        "of the whole version that labels could check was off by +0.070"
    )
    reliability.note_checked(state, SEGMENT, 0.0)
    assert reliability.why(state, SEGMENT, VERSION) == ""
    assert "off by +0.070" in reliability.why(state, VERSION, VERSION)


def test_a_segments_own_labels_and_predictions_can_refute_it_alone() -> None:
    """Its version may be well estimated all the same."""
    state = reliability.initial()
    reliability.note_checked(state, VERSION, 0.0)
    reliability.note_checked(state, SEGMENT, -0.1)
    assert (reliability.why(state, SEGMENT, VERSION) != "", reliability.why(state, VERSION, VERSION)) == (True, "")
    reliability.note_checked(state, SEGMENT, 0.0)
    reliability.note_support(state, SEGMENT, True)
    assert (reliability.why(state, SEGMENT, VERSION) != "", reliability.why(state, VERSION, VERSION)) == (True, "")
    reliability.forget(state, [SEGMENT])
    assert reliability.why(state, SEGMENT, VERSION) == ""
