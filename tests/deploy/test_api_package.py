"""The API's package holds what an instance takes, for its processor, and the same bytes for the same code.

That it installs from this alone, `tests/terraform/test_api.py` shows on this machine's processor.
"""

import zipfile
from pathlib import Path

import pytest
from packaging.tags import compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

from deploy import api_package, wheels
from deploy.environment import Environment
from deploy.wheels import REPOSITORY

OTHER = "arm64"
"""The processor that this machine mostly is not of."""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package for the other processor."""
    return api_package.build(tmp_path_factory.mktemp("api"), OTHER)


@pytest.fixture(scope="module")
def names(archive: Path) -> list[str]:
    """What is in it."""
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def test_the_instances_pip_takes_each_wheel(names: list[str]) -> None:
    target = api_package.TARGETS[OTHER]
    platforms = [f"manylinux_2_{minor}_{target.machine}" for minor in range(34, 16, -1)] + target.platforms
    taken = {*cpython_tags((3, 12), platforms=platforms), *compatible_tags((3, 12), "cp312", platforms)}
    found = {name.removeprefix("wheels/") for name in names if name.startswith("wheels/")}
    assert len(found) == len(api_package.needed(target)) > 10
    assert {wheel for wheel in found if parse_wheel_filename(wheel)[3].isdisjoint(taken)} == set()


def test_requirements_are_the_wheels_in_the_versions_of_the_release(archive: Path, names: list[str]) -> None:
    with zipfile.ZipFile(archive) as opened:
        required = opened.read("requirements.txt").decode().splitlines()
    found = [parse_wheel_filename(name.removeprefix("wheels/")) for name in names if name.startswith("wheels/")]
    assert required == [f"{name}=={version}" for name, version, *_ in sorted(found)]
    assert dict(line.split("==") for line in required).items() <= wheels.pins().items()


def test_it_holds_the_code_and_what_installs_it(names: list[str]) -> None:
    code = {
        f"code/{file.relative_to(REPOSITORY)}"
        for name in api_package.CODE
        for file in REPOSITORY.glob(f"{name}/**/*.py")
    }
    beside = {name for name in names if not name.startswith(("wheels/", "code/"))}
    assert {name for name in names if name.endswith(".py")} == code
    assert beside == {"requirements.txt", "install.sh", "totesys-api.service", "logrotate.conf", "logrotate.timer"}


def test_two_builds_are_equal_byte_for_byte(archive: Path, tmp_path: Path) -> None:
    assert api_package.build(tmp_path, OTHER).read_bytes() == archive.read_bytes()


@pytest.mark.parametrize(
    ("said", "architecture"),
    [
        ("", None),
        ("api = null\n", None),
        ('api = { certificate_arn = "arn:aws:acm:1", client_cidrs = ["10.0.0.0/8"] }\n', "arm64"),
        ('api = {\n  client_cidrs = ["10.0.0.0/8"] # us\n  architecture  = "x86_64"\n} # on\nemails = []\n', "x86_64"),
        ('api = { architecture = "x86_64" }\napi_password = "x"\n', "x86_64"),
    ],
    ids=["nothing is said", "off", "on one line", "on several", "beside other settings"],
)
def test_it_is_built_for_the_processor_that_the_environment_names(
    environment: Environment, said: str, architecture: str | None
) -> None:
    environment.local.write_text(environment.local.read_text() + said)
    assert environment.architecture == architecture


def test_what_the_user_says_of_the_api_counts_more(environment: Environment) -> None:
    project, user = environment.values
    project.write_text("api = {\n}\n")
    user.write_text("api = null\n")
    assert environment.architecture is None
