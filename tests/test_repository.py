"""What holds for every file that is committed."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("daemon", "processors", "config")

MACHINE_PATH = re.compile(rb"(?<![\w.})-])/(?:work|root|home)/")
INDEX_ADDRESS = re.compile(rb"pypi\.org/(?:simple|pypi)|files\.pythonhosted\.org|--(?:(?:extra-)?index-url|find-links)")
SENTENCE = re.compile(r"[^.!?]([^.!?]|[.!?](?!\s))*[.!?]")


def tracked() -> list[Path]:
    """Return every committed or staged file that still exists, relative to the root."""
    listing = ["git", "-c", "safe.directory=*", "ls-files", "-z"]  # whoever owns the checkout
    listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]


def lines_with(pattern: re.Pattern[bytes]) -> Iterator[str]:
    """Yield each line of a tracked file in which a pattern occurs, as an editor would name it."""
    for path in tracked():
        for number, line in enumerate((ROOT / path).read_bytes().splitlines(), 1):
            if pattern.search(line):
                yield f"{path}:{number}"


def test_no_file_knows_the_machine_it_was_written_on() -> None:
    """A path below somebody's home or workspace means nothing anywhere else."""
    assert list(lines_with(MACHINE_PATH)) == []


def test_no_file_names_a_package_index() -> None:
    """Where packages come from is the machine's affair; the lock's hashes say which they are."""
    assert list(lines_with(INDEX_ADDRESS)) == []


def test_every_locked_package_has_hashes() -> None:
    """A line of a lock names one exact version and is followed by what its files must hash to."""
    for lock in (ROOT / "requirements").glob("*.lock"):
        for entry in re.split(r"\n(?=\w)", lock.read_text().strip()):
            assert re.match(r"[a-z0-9-]+==\S+", entry), entry
            assert "--hash=sha256:" in entry, entry


def test_every_folder_says_in_one_sentence_what_belongs_in_it() -> None:
    """A newcomer who reads only the `__init__.py` files has read the table of contents."""
    folders = {folder for path in tracked() if path.parts[0] in PACKAGES for folder in path.parents if folder.parts}
    for folder in sorted(folders):
        package = ROOT / folder / "__init__.py"
        assert package.is_file(), f"{folder} has no __init__.py"
        says = ast.get_docstring(ast.parse(package.read_text())) or ""
        assert SENTENCE.fullmatch(says), f"{folder}/__init__.py: {says!r} is not one sentence"
