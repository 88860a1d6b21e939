"""The package is complete, its bytes depend on the code alone, and MWAA can install and read it without a network."""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename

from deploy import package, wheels
from deploy.errors import DeployError
from deploy.wheels import REPOSITORY
from include.declared import DECLARED


def contents(folder: Path) -> dict[str, str]:
    """File → digest of its bytes."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_two_builds_are_equal_byte_for_byte(built: Path, tmp_path: Path) -> None:
    again = package.build(tmp_path / "again").folder
    assert contents(again) == contents(built)


def test_a_build_does_not_depend_on_the_files_times_or_modes(built: Path, tmp_path: Path) -> None:
    wheel_folder = tmp_path / "wheels"
    shutil.copytree(package.WHEELS, wheel_folder, copy_function=shutil.copyfile)
    for number, file in enumerate(sorted(wheel_folder.iterdir())):
        file.chmod(0o600)
        subprocess.run(["touch", "-d", f"2001-02-0{number % 9 + 1}", file], check=True)
    again = package.build(tmp_path / "again", wheel_folder).folder
    assert contents(again)["plugins.zip"] == contents(built)["plugins.zip"]


def test_it_holds_the_dag_and_every_module_of_the_pipeline(built: Path) -> None:
    modules = {
        f"dags/include/{file.relative_to(REPOSITORY / 'include')}" for file in REPOSITORY.glob("include/**/*.py")
    }
    expected = {"dags/totesys_warehouse.py", "dags/.airflowignore", *modules}
    assert set(contents(built)) == expected | {"plugins.zip", "requirements.txt", "startup.sh", "views.json"}


def test_it_holds_a_view_for_every_table_of_the_warehouse(built: Path) -> None:
    views = json.loads((built / "views.json").read_text())
    assert {view["table"] for view in views.values()} == DECLARED.star.keys() | {
        scored.scores for scored in DECLARED.scored
    }


def test_a_file_that_is_gone_is_gone_from_the_next_build(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    stale = folder / "dags" / "include" / "former.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    package.build(folder)
    assert not stale.exists()


def test_plugins_lie_at_the_archives_root_without_the_readme(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    (plugins / "page" / "__pycache__").mkdir(parents=True)
    for name in ("page.py", "page/index.html", "page/__pycache__/page.pyc", "README.md"):
        (plugins / name).write_text(name)
    package.write_archive(tmp_path / "plugins.zip", package.plugins_and_wheels(plugins, []))
    with zipfile.ZipFile(tmp_path / "plugins.zip") as archive:
        assert archive.namelist() == ["page.py", "page/index.html"]
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}


def test_the_dag_and_the_pipeline_are_imported_from_the_package_alone(built: Path, tmp_path: Path) -> None:
    code = (
        "import json, include.pipeline, totesys_warehouse as dag_file;"
        "print(json.dumps([include.pipeline.__file__, dag_file.__file__, len(dag_file.dag.tasks)]))"
    )
    environment = {"PYTHONPATH": str(built / "dags"), "AIRFLOW_HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    pipeline, dag_file, tasks = json.loads(done.stdout.splitlines()[-1])
    assert {Path(pipeline).parents[1], Path(dag_file).parent} == {built / "dags"}
    assert tasks > 30


def test_airflow_looks_for_dags_in_the_dag_file_alone(built: Path) -> None:
    from airflow.utils.file import list_py_file_paths

    assert list_py_file_paths(built / "dags", safe_mode=False) == [str(built / "dags" / "totesys_warehouse.py")]


def test_requirements_are_the_wheels_in_plugins_and_nothing_else(built: Path) -> None:
    lines = (built / "requirements.txt").read_text().splitlines()
    assert lines[1:3] == ["--find-links /usr/local/airflow/plugins", "--no-index"]
    with zipfile.ZipFile(built / "plugins.zip") as archive:
        files = [parse_wheel_filename(name) for name in archive.namelist() if name.endswith(".whl")]
    assert lines[3:] == [f"{name}=={version}" for name, version, *_ in sorted(files)]


def test_requirements_are_ours_in_the_versions_of_the_release(built: Path) -> None:
    ours = {requirement.name for requirement in wheels.read_requirements(wheels.REQUIREMENTS)}
    written = dict(line.split("==") for line in (built / "requirements.txt").read_text().splitlines() if "==" in line)
    assert ours - written.keys() == {"apache-airflow-providers-amazon"}
    assert written.items() <= wheels.pins().items()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An environment in which what MWAA's image has counts as installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "image"], check=True)
    (site,) = (tmp_path / "image").glob("lib/python*/site-packages")
    for name in wheels.closure_of_image():
        metadata = distribution(name)._path  # type: ignore[attr-defined]
        shutil.copytree(metadata, site / metadata.name)
    return tmp_path / "image" / "bin" / "python"


def test_what_the_image_has_for_certain_and_the_wheels_satisfy_the_requirements(
    image: Path, built: Path, tmp_path: Path
) -> None:
    plugins, requirements = tmp_path / "plugins", tmp_path / "requirements.txt"
    with zipfile.ZipFile(built / "plugins.zip") as archive:
        archive.extractall(plugins)
    text = (built / "requirements.txt").read_text()
    requirements.write_text(text.replace("/usr/local/airflow/plugins", str(plugins)))
    uv = [Path(sys.executable).parent / "uv", "pip", "install", "--dry-run", "--offline", "--no-cache"]
    target = ["--python-version", "3.12", "--python-platform", "x86_64-manylinux_2_34"]
    command = [*uv, *target, "--python", image, "--constraint", wheels.PINNED, "--requirement", requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    would_install = set(re.findall(r"^ \+ (\S+)", done.stderr, re.MULTILINE))
    assert would_install == {f"{name}=={version}" for name, version in wheels.needed().items()}


def test_a_wheel_that_is_not_to_be_had_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match=r"pgpq==0\.0\.99"):
        wheels.gather(tmp_path, {"pgpq": "0.0.99"})


@pytest.mark.parametrize(("version", "says"), [("3, 12", False), ("3, 11", True)])
def test_the_startup_script_says_what_python_the_wheels_cannot_be_installed_on(
    tmp_path: Path, version: str, says: bool
) -> None:
    python = tmp_path / "python3"
    python.write_text(f'#!/bin/bash\nexec {sys.executable} -c "import sys; sys.version_info = ({version}); $2"\n')
    python.chmod(0o755)
    script, environment = REPOSITORY / "deploy" / "startup.sh", {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["bash", script], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout + done.stderr != "") == says
    assert ("wheels for Python 3.12" in done.stdout) == says
