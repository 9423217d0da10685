"""The image and the compose file, as far as they can be judged without a container engine."""

import fnmatch
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import config

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
LINES = DOCKERFILE.replace("\\\n", " ").splitlines()
INSTRUCTIONS = [line.split(maxsplit=1) for line in LINES if re.match("[A-Z]", line)]
PINNED = re.compile(r"^[\w./-]+:\d+\.\d+\.\d+[\w.-]*$")


def arguments(instruction: str) -> list[str]:
    """Return what follows each occurrence of an instruction, in order."""
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """Return the services of the compose file."""
    services: dict[str, Any] = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]
    return services


def test_base_images_are_pinned() -> None:
    """Today's build and next month's start from the same release."""
    assert all(PINNED.match(image.split(" AS ")[0]) for image in arguments("FROM"))


def test_the_build_is_in_stages() -> None:
    """What only the build needs isn't shipped."""
    assert len(arguments("FROM")) > 1


def test_it_does_not_run_as_root() -> None:
    """The last word on the user is a number other than root's, so that an orchestrator can verify it."""
    user = arguments("USER")[-1].split(":")[0]
    assert user.isdigit()
    assert int(user) > 0


def test_its_group_is_its_user_s_own() -> None:
    """The number that it runs under is that of a group with a name, to which its volume belongs."""
    user, group = arguments("USER")[-1].split(":")
    created = " ".join(arguments("RUN"))
    assert f"groupadd --gid {group} vigil" in created
    assert f"--uid {user} --gid vigil" in created


def test_nothing_that_installs_is_shipped() -> None:
    """The environment that is copied into the image has no pip of its own."""
    assert "python -m venv --without-pip /opt/vigil" in DOCKERFILE
    assert "/opt/vigil/bin/pip" not in DOCKERFILE


def test_it_reports_its_health() -> None:
    """The image asks the daemon itself."""
    assert any('["vigild", "health"]' in check for check in arguments("HEALTHCHECK"))


def test_everything_it_copies_exists_and_is_let_in() -> None:
    """Each COPY source is in the repository, and the ignore file leaves it in the build's context."""
    ignore = (ROOT / "docker" / "Dockerfile.dockerignore").read_text().splitlines()
    let_in = [line.removeprefix("!") for line in ignore if line.startswith("!")]
    sources = [path for copy in arguments("COPY") if "--from" not in copy for path in copy.split()[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch.fnmatch(source, name) or source.startswith(f"{name}/") for name in let_in), source


def test_what_it_installs_is_checked_by_hash() -> None:
    """Every installation either checks hashes or has no index to install from."""
    for command in re.findall(r"pip (?:install|wheel) [^&\n]+", "\n".join(LINES)):
        assert "--require-hashes" in command or "--no-index" in command, command


def test_images_of_the_compose_file_are_pinned(services: dict[str, Any]) -> None:
    """No service floats on `latest`."""
    for name, service in services.items():
        assert PINNED.match(service["image"]), name


def test_every_service_has_a_healthcheck_or_says_that_it_needs_none(services: dict[str, Any]) -> None:
    """Health is a decision for each service, not an accident of its image."""
    for name, service in services.items():
        check = service["healthcheck"]
        assert check.get("disable") or check["test"][0] == "CMD", name


def test_the_broker_of_the_compose_file_is_the_tests_broker(services: dict[str, Any]) -> None:
    """What the tests prove holds for the Kafka that is shipped beside Vigil."""
    pom = (ROOT / "tests" / "broker" / "pom.xml").read_text()
    version = services["kafka"]["image"].split(":")[1]
    assert f"<kafka.version>{version}</kafka.version>" in pom


def test_services_wait_for_their_topics(services: dict[str, Any]) -> None:
    """Every topic that is read or written is created before Vigil or the simulator starts: the broker makes none."""
    kafka = config.load(ROOT / "docker" / "vigil.yaml", environ={}).kafka
    assert kafka is not None
    assert services["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    created = set(re.findall(r"create ([\w.-]+) --partitions", " ".join(services["topics"]["command"])))
    assert created == {*kafka.consumed, kafka.alerts, kafka.readings, kafka.dead_letters}
    for name in ("vigild", "simulator"):
        assert services[name]["depends_on"]["topics"]["condition"] == "service_completed_successfully"


def test_vigil_writes_only_to_its_volume(services: dict[str, Any]) -> None:
    """The root file system is read-only, and the config's state is on the volume."""
    settings = yaml.safe_load((ROOT / "docker" / "vigil.yaml").read_text())
    vigild = services["vigild"]
    assert vigild["read_only"]
    assert vigild["volumes"] == [f"vigil-state:{settings['state']['path']}"]
    assert settings["state"]["path"] in arguments("VOLUME")


def test_the_config_is_valid() -> None:
    """The image's own config is one that `vigild validate` accepts."""
    config.load(ROOT / "docker" / "vigil.yaml", environ={})
