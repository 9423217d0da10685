"""Whatever a file holds, reading it gives a configuration or a ConfigError, in bounded time."""

import contextlib
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from config import Config, ConfigError, Registry, config_hash, parse, redacted_yaml
from config.fields import everything


class Monitor(BaseModel, extra="forbid"):
    depth: int = 3
    names: tuple[str, ...] = ()


REGISTRY = Registry({"drift": Monitor})
KEYS = sorted(
    {str(key) for place, _ in everything(Config) for key in place}
    | {"from", "name", "river", "drift", "stdout", "file"}
)
WORDS = [
    "10s",
    "0s",
    "1 per 7d",
    "64KiB",
    "auto",
    "binary",
    "joblib",
    "${A}",
    "${B:-x}",
    "$${",
    "a,b",
    "SASL_SSL",
    "*",
    "drift.KSWIN",
    "",
]

scalars: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WORDS)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=5)
    ),
    max_leaves=20,
)
documents = st.dictionaries(st.sampled_from(sorted(Config.model_fields)), values, max_size=6)


def is_bearable(text: str, environ: dict[str, str]) -> None:
    """Reading gives a configuration that can be shown, or an error that can be printed."""
    error = None
    try:
        config = parse(text, environ, REGISTRY, source_required=False)
    except ConfigError as raised:
        error = raised
    if error is None:
        parse(redacted_yaml(config).replace("'***'", "null"), {}, REGISTRY, source_required=False)
        assert len(config_hash(config)) == 12
    else:
        assert error.problems
        assert str(error).encode()
        assert all("\n" not in str(problem) for problem in error.problems)


@given(st.text(max_size=200))
@settings(deadline=None)
def test_any_text(text: str) -> None:
    """Nobody knows what an editor, a template or a half-written file may leave behind."""
    is_bearable(text, {})


@given(st.text(alphabet="{}[]:,-&*!|>'\"%@`#?<~ \n\tab01.$", max_size=60))
@settings(deadline=None, max_examples=300)
def test_any_text_of_yaml_s_own_signs(text: str) -> None:
    """Most of what can go wrong in YAML is in its signs, not in its words."""
    is_bearable(text, {"a": "b"})


@given(documents)
@settings(deadline=None, max_examples=300)
def test_any_values_under_the_right_names(document: dict[str, Any]) -> None:
    """Known keys lead further into the loader than arbitrary text does."""
    with contextlib.suppress(yaml.YAMLError):
        is_bearable(yaml.safe_dump(document), {"A": "1"})


@given(
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=4), st.text(alphabet=st.characters(exclude_characters="\0"))
)
@settings(deadline=None, max_examples=200)
def test_any_variable(keys: list[str], value: str) -> None:
    """The environment is arbitrary text too, and lies over a good file."""
    is_bearable("kafka: {brokers: a, topics: b}\n", {"VIGIL_" + "__".join(keys).upper(): value})
