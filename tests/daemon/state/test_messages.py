"""Many messages in one blob, and back."""

from hypothesis import given
from hypothesis import strategies as st

from daemon.sinks import Message
from daemon.state.messages import pack_messages, unpack_messages

NAMES = st.text(st.characters(exclude_categories=["Cs"]))
MESSAGES = st.lists(
    st.builds(
        Message,
        st.none() | st.binary(),
        st.none() | st.binary(),
        st.lists(st.tuples(NAMES, st.binary())).map(tuple),
    )
)


@given(MESSAGES)
def test_messages_come_back_as_they_were(messages: list[Message]) -> None:
    """None and empty stay apart, and headers keep every byte and their order."""
    assert unpack_messages(pack_messages(messages)) == messages


@given(MESSAGES)
def test_the_same_messages_are_the_same_bytes(messages: list[Message]) -> None:
    """Packing depends on nothing but the messages."""
    assert pack_messages(messages) == pack_messages([Message(*each) for each in messages])
