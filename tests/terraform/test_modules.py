"""Every root and module holds what it promises, with the oldest and the newest major release of the provider."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.terraform.providers import FIVE, OFFLINE, SIX, Provider
from tests.terraform.workspace import CODE, Workspace, modules, roots, share

RELEASES = pytest.mark.parametrize("provider", [FIVE, SIX], ids=lambda provider: provider.release)
CALLED = re.compile(r'^ *source *= *"(\.\./.*)"$', re.MULTILINE)
RELEASE = re.compile(r'^ *version *= "(\d+\.\d+\.\d+)"$', re.MULTILINE)
TESTED = sorted({str(file.parents[1].relative_to(CODE)) for file in CODE.rglob("tests/*.tftest.hcl")})


def test_the_code_is_in_its_standard_format(tmp_path: Path) -> None:
    Workspace(tmp_path, SIX).succeed(".", "fmt", "-check", "-diff", "-recursive")


@RELEASES
@pytest.mark.parametrize("root", roots())
def test_a_root_is_valid_with_all_its_modules(tmp_path: Path, root: str, provider: Provider) -> None:
    workspace = Workspace(tmp_path, provider)
    workspace.init(root)
    answer = json.loads(workspace.succeed(root, "validate", "-json"))
    assert answer["diagnostics"] == [], answer


def test_every_module_is_part_of_a_root(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, FIVE)
    used: set[str] = set()
    for root in roots():
        workspace.init(root)
        listed = json.loads((workspace.code / root / ".terraform" / "modules" / "modules.json").read_text())
        folders = [(workspace.code / root / module["Dir"]).resolve() for module in listed["Modules"]]
        used |= {str(folder.relative_to(workspace.code.resolve())) for folder in folders}
    assert used == {*modules(), *roots()}


def test_a_root_pins_one_release_of_the_provider_and_a_module_none() -> None:
    pinned = {name: RELEASE.findall((CODE / name / "versions.tf").read_text()) for name in [*roots(), *modules()]}
    assert {name: pinned[name] for name in roots()} == {name: [SIX.release] for name in roots()}
    assert {name: pinned[name] for name in modules()} == {name: [] for name in modules()}


def test_every_module_has_tests() -> None:
    assert {*modules()} <= {*TESTED}


def has_write_only(folder: Path) -> bool:
    """Whether a module, or one that it calls, writes secrets through write-only arguments."""
    code = "".join(file.read_text() for file in folder.glob("*.tf"))
    return "_wo " in code or any(has_write_only(folder / called) for called in CALLED.findall(code))


def promises() -> Iterator[tuple[str, Provider]]:
    """Each module with the releases that can run its tests: offline schemas do not say what is write-only.

    CI tries each module with one of them: half with the oldest, the others with the newest, which the roots pin.
    """
    old = share(TESTED, 2)
    new = [module for module in TESTED if module not in old] or TESTED
    for module in TESTED:
        either = not (OFFLINE.exists() and has_write_only(CODE / module))
        if either and module in new:
            yield module, SIX
        if not either or module in old:
            yield module, FIVE


@pytest.mark.parametrize(("module", "provider"), list(promises()), ids=lambda value: getattr(value, "release", value))
def test_a_module_keeps_its_promises(tmp_path: Path, module: str, provider: Provider) -> None:
    workspace = Workspace(tmp_path, provider)
    workspace.init(module)
    for options in with_values(module):
        workspace.succeed(module, "test", *options)


def with_values(module: str) -> list[list[str]]:
    """How a module's tests are run: those that are named like a file of values with that, others with any."""
    values = sorted(file.stem for file in (CODE / module).glob("*.tfvars") if "." not in file.stem)
    tests = sorted(file.name.partition(".")[0] for file in (CODE / module / "tests").glob("*.tftest.hcl"))
    if not {*values} & {*tests}:
        return [[]]
    runs = {value: [value] for value in values}
    runs[values[0]] += [test for test in tests if test not in values]
    return [
        [f"-var-file={value}.tfvars", *(f"-filter=tests/{test}.tftest.hcl" for test in chosen)]
        for value, chosen in runs.items()
    ]
