"""The package in MWAA's own way: installed as its image installs it, without a network, it runs the pipeline."""

import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from packaging.utils import canonicalize_name

from deploy import wheels
from tests import shop
from tests.deploy.mwaa_image import GLIBC, GLIBCXX, Container, accepted, make_python, read_pins, start

LOOK = """
import importlib, json, pkgutil, sys
from pathlib import Path
from airflow import plugins_manager
from airflow.dag_processing.dagbag import BundleDagBag

folder = Path(sys.argv[1])
bag = BundleDagBag(folder, bundle_path=folder, bundle_name="dags-folder")
apps, _ = plugins_manager.get_fastapi_plugins()
plugins = {plugin["name"] for plugin in plugins_manager.get_plugin_info()}
import include

failed = {}
for module in pkgutil.walk_packages(include.__path__, "include."):
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        failed[module.name] = str(error)
print(json.dumps({
    "dags": {name: len(dag.tasks) for name, dag in bag.dags.items()},
    "dag_errors": bag.import_errors,
    "plugins": sorted(plugins),
    "plugin_errors": plugins_manager.get_import_errors(),
    "apps": [app["name"] for app in apps],
    "include": include.__file__,
    "failed": failed,
}))
"""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's Python, in which nothing is installed."""
    return make_python(tmp_path_factory.mktemp("bare") / "local")


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is in plugins.zip."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(built / "plugins.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture
def container(bare: Path, built: Path, unpacked: Path, tmp_path: Path) -> Container:
    """A container before pip has run, whose files a test may add to and take away."""
    return start(bare, tmp_path / "airflow", built, unpacked)


@pytest.fixture(scope="module")
def installed(bare: Path, built: Path, unpacked: Path, tmp_path_factory: pytest.TempPathFactory) -> Container:
    """A container after pip has run, in a Python of its own."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(bare.parents[1], folder / "local", symlinks=True, copy_function=os.link)
    container = start(folder / "local" / "bin" / "python", folder / "airflow", built, unpacked)
    done = container.install("--no-compile")  # which takes time, and is done where a module is imported
    assert done.returncode == 0, last_words(done)
    return container


def look(container: Container) -> dict[str, Any]:
    """What Airflow finds in the DAGs and plugins, and which modules of the pipeline cannot be imported."""
    done = container.run("-P", "-c", LOOK, container.home / "dags")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """How a command's output ends: pip tells a hundred packages first that are there already."""
    return "\n".join((done.stdout + done.stderr).splitlines()[-15:])


def newest_symbols(wheel: Path) -> tuple[int, int]:
    """The newest GLIBC_2.x and GLIBCXX_3.4.x that the libraries of a wheel ask for; 0 where they ask for none."""
    glibc, glibcxx = [0], [0]
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if ".so" in name:
                content = archive.read(name)
                glibc += map(int, re.findall(rb"GLIBC_2\.(\d+)", content))
                glibcxx += map(int, re.findall(rb"GLIBCXX_3\.4\.(\d+)", content))
    return max(glibc), max(glibcxx)


def test_the_images_pip_takes_each_wheel(unpacked: Path) -> None:
    names = [wheel.name for wheel in unpacked.glob("*.whl")]
    assert len(names) == len(wheels.needed())
    assert [name for name in names if not accepted(name)] == []


@pytest.mark.parametrize(
    ("tag", "taken"),
    [
        ("py3-none-any", True),
        ("cp312-cp312-manylinux_2_34_x86_64", True),
        ("cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64", True),
        ("cp312-cp312-manylinux_2_35_x86_64", False),
        ("cp312-cp312-musllinux_1_2_x86_64", False),
        ("cp312-cp312-manylinux_2_28_aarch64", False),
        ("cp311-cp311-manylinux_2_28_x86_64", False),
        ("cp312-cp312-macosx_11_0_arm64", False),
    ],
)
def test_a_wheel_for_another_system_would_not_be_taken(tag: str, taken: bool) -> None:
    assert accepted(f"package-1.0-{tag}.whl") == taken


def test_no_library_asks_for_a_newer_libc_than_the_images(unpacked: Path) -> None:
    newest = {wheel.name: newest_symbols(wheel) for wheel in unpacked.glob("*.whl")}
    assert max(newest.values()) > (0, 0)
    assert {name: found for name, found in newest.items() if found[0] > GLIBC or found[1] > GLIBCXX} == {}


def test_where_pip_failed_the_dag_is_parsed_all_the_same_and_the_pipeline_cannot_run(container: Container) -> None:
    found = look(container)
    assert (found["dag_errors"], found["dags"].keys()) == ({}, {"totesys_warehouse"})
    assert "No module named" in found["failed"]["include.pipeline"]


def test_pip_installs_the_wheels_and_leaves_the_image_as_it_is(installed: Container) -> None:
    done = installed.run("-m", "pip", "list", "--format", "json", PIP_CONFIG_FILE=os.devnull)
    there = {canonicalize_name(package["name"]): package["version"] for package in json.loads(done.stdout)}
    assert there == read_pins() | wheels.needed()


def test_the_dag_is_parsed_and_the_plugins_load(installed: Container) -> None:
    found = look(installed)
    assert found["dag_errors"] == found["plugin_errors"] == found["failed"] == {}
    assert found["dags"].keys() == {"totesys_warehouse"}
    assert found["dags"]["totesys_warehouse"] > 30
    assert set(found["plugins"]) >= {"totesys_note", "totesys_warehouse", "OpenLineageProviderPlugin"}
    assert found["apps"] == ["ToteSys warehouse"]
    assert found["include"] == str(installed.home / "dags" / "include" / "__init__.py")


def test_the_pipeline_runs(
    installed: Container, pipeline_environment: dict[str, str], warehouse_url: str, tmp_path: Path
) -> None:
    shutil.copytree(Path(shop.__file__).parent, tmp_path.joinpath(*shop.__name__.split(".")))
    declarations = {"DECLARATIONS": shop.__name__, "PYTHONPATH": str(tmp_path)}
    done = installed.run("-m", "include", "run", **pipeline_environment, **declarations)
    assert done.returncode == 0, last_words(done)
    with (
        psycopg.connect(warehouse_url) as warehouse,
        psycopg.connect(pipeline_environment["AIRFLOW_CONN_TOTESYS"]) as source,
    ):
        count = "SELECT count(*) FROM {}"
        moved = warehouse.execute(count.format("current_sale")).fetchone()
        assert moved == source.execute(count.format("sale")).fetchone() != (0,)


def lose_a_wheel(container: Container) -> None:
    next(container.plugins.glob("numpy-*.whl")).unlink()


def take_one_for_another_system(container: Container) -> None:
    wheel = next(container.plugins.glob("pgpq-*.whl"))
    wheel.rename(wheel.with_name(re.sub("manylinux.*", "macosx_11_0_arm64.whl", wheel.name)))


def require_what_is_not_there(container: Container) -> None:
    with container.requirements.open("a") as file:
        file.write("polars\n")


def contradict_the_image(container: Container) -> None:
    with container.requirements.open("a") as file:
        file.write("celery==5.0.0\n")


def conflict(package: str) -> str:
    return rf"The user requested {package}==\S+\s+The user requested \(constraint\) {package}=="


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lose_a_wheel, "No matching distribution found for numpy=="),
        (take_one_for_another_system, "No matching distribution found for pgpq=="),
        (require_what_is_not_there, "No matching distribution found for polars"),
        (contradict_the_image, conflict("celery")),
    ],
    ids=["a wheel is lost", "a wheel is another system's", "a package has no wheel", "the image has another version"],
)
def test_a_package_that_cannot_be_installed_is_told(
    container: Container, spoil: Callable[[Container], None], message: str
) -> None:
    spoil(container)
    done = container.install("--dry-run")
    assert done.returncode != 0
    assert re.search(message, last_words(done)), last_words(done)


def test_a_constraint_that_changes_in_the_image_changes_nothing(container: Container) -> None:
    container.write("constraints.txt", read_pins() | {"pandas": "99.0"})
    done = container.install("--dry-run")
    assert done.returncode == 0, last_words(done)
    first, *others = container.requirements.read_text().splitlines()
    assert first.startswith("#")
    container.requirements.write_text("\n".join(others))
    without = container.install("--dry-run")
    assert without.returncode != 0
    assert re.search(conflict("pandas"), last_words(without)), last_words(without)
