"""What stands below a field documents it, for whoever asks."""

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from processors.documented import Documented, descriptions

T = TypeVar("T")


class Base(Documented):
    depth: int = 3
    """How deep
    it goes."""
    width: int = 1
    """How wide."""

    class Inner(Documented):
        """A section in a section."""

        depth: int = 3
        """Of the inner one."""


class Derived(Base):
    width: int = 2
    """How wide, here."""
    silent: int = 0
    of: Annotated[int, Field(alias="from", description="Where from, as declared.")] = 0
    """Not this."""
    inner: Base.Inner = Base.Inner()
    """What is in it."""


class Box(Documented, Generic[T]):
    content: T
    """What is in the box."""


class OfAThirdParty(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)

    url: str
    """Where to."""


def test_a_field_means_what_stands_below_it() -> None:
    """Inherited, unless said anew; what was declared goes first; a field may be silent."""
    assert descriptions(Derived) == {
        "depth": "How deep\nit goes.", "width": "How wide, here.", "of": "Where from, as declared.",
        "inner": "What is in it.",
    }  # fmt: skip
    assert descriptions(Base.Inner) == {"depth": "Of the inner one."}


def test_generic_and_local_and_foreign_sections_are_documented_too() -> None:
    """However a class came to be."""

    class Local(Documented):
        depth: int = 3
        """Of the local one."""

    assert descriptions(Local) == {"depth": "Of the local one."}
    assert descriptions(Box[int]) == {"content": "What is in the box."}
    assert descriptions(OfAThirdParty) == {"url": "Where to."}


def test_the_json_schema_says_it() -> None:
    """Under the name that is written, and of each section on its own."""
    schema = Derived.model_json_schema()
    said = {name: field.get("description") for name, field in schema["properties"].items()}
    assert said == {
        "depth": "How deep\nit goes.", "width": "How wide, here.", "silent": None, "from": "Where from, as declared.",
        "inner": "What is in it.",
    }  # fmt: skip
    assert schema["$defs"]["Inner"]["properties"]["depth"]["description"] == "Of the inner one."
    assert Derived.model_json_schema(by_alias=False)["properties"]["of"]["description"] == "Where from, as declared."


def test_without_its_source_a_section_says_what_was_declared() -> None:
    """Not an error: a module may have been typed in, or its file be gone."""
    space = {"Documented": Documented, "Field": Field, "__name__": "typed_in"}
    exec("class Typed(Documented):\n    a: int = Field(0, description='Said.')\n    b: int = 0\n    'Lost.'", space)  # noqa: S102 - typed in
    typed = space["Typed"]
    assert isinstance(typed, type)
    assert issubclass(typed, Documented)
    assert descriptions(typed) == {"a": "Said."}
