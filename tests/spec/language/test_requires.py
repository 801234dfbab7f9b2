"""Requirement lines of metadata mean what uv takes them for: every line here is resolved by the real uv."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.utils import canonicalize_name
from uv import find_uv_bin

from tests.wheelhouse import Wheelhouse
from venvkit.spec.language.requires import active_requires, parse_requires, required_name, satisfied

VERSIONS = ("0.5", "1.9", "2.0", "2.0.5", "3.0.1", "8.0")
READ = [
    "dep", "dep>=1.9", "dep (>=1.9)", "dep(==2.0)", "dep ==2.*", "dep!=2.0.*", "dep~=2.0", "dep<=2", "dep>1,<5",
    "dep >1 , <5", "dep===2.0", "dep>=1,", "dep (>=1,)", "DEP.>1", "dep[some]>1", "dep [some,other] (>1)", "  dep>1  ",
    "dep==v2.0", "dep!=1.9,!=2.0", "dep>=1.0.dev1", "dep>0.5.post1", "dep==2.0.0.0", "dep>=2.0-1", "dep==1!2.0",
    "dep (>=5.1.*)", "dep>=1.*", "dep<3.*", "dep <= 2.0.*", "dep> 1.*", "dep<2.*,>0.5.*",
    "dep>=1.0<3", "dep (>=1.0<3.0)", "dep>=1.0!=2.0<5.1", "dep==2.0!=3",
    "dep>='1.0'", 'dep>="1.9",<"3"', "dep (>= '2.0')", "dep >=1.9'", "dep>='1.0<3'",
    "dep>dev", "dep (>dev)", "dep!=~2.0", "dep (!=~2.0,>=1)", "dep!=~2", "dep!=2.0*", "dep (>=1,!=2.0*,!=5.1*)",
    "dep>=1.0a1.0", "dep>=1.0,<3, ", "dep>=1.*,", "dep>='1.*'", "dep>=1.0<3,", "dep>=1.0 <3", "dep>=1.0,,<3",
    "dep>=1.0;<3", "dep=1.0", "dep>=", "dep>", "dep ~=2", "dep=>1.0", "dep>=1.x", "dep 1.0", "dep>=1.0 # why",
    "dep^1.0",
    "dep>=1.0 and <3", "dep>=latest", "dep==*", "dep<=2.0.*.1", "dep ()", "dep[]>1", "dep[some>1", "dep (>=1.0",
    "dep==2.0+local", "dep>=2.0+local", "dep===two", "dep == 2 .0", "dep>=1.0||<0.5", "dep>1.0.0.0.*", "dep\t>=1.9",
    "dep; python_version>'3'", 'dep>=1.*; python_version>"3"', "dep>2 ; python_version<'3'",
    "dep>=1.0<3 ; python_version > '3'", "dep>='1' ; python_version > '3'", "dep; python_version >= '3.*'",
    "dep;", "dep>1;", "dep; os_name", "dep; os_name == posix", "dep; 'posix' == os_name", "dep; 'x' == 'y'",
]  # fmt: skip
MARKERS = [
    'sys_platform ~= "linux"', 'sys_platform ~= "linux" and python_version < "3"',
    'sys_platform ~= "linux" or python_version < "3"', '(sys_platform ~= "linux") and os_name == "nt"',
    'python_version >= "3.x"', 'python_version ~= "3"', "python_version ~= '3.0'", "python_version in '2.7 3.6'",
    "python_version not in '3.0, 3.1'", "python_version not in '2.7 3.0'", "python_version in ''",
    "python_version == '3.*'", "python_version == '2.*'", "'3' < python_version", "'3' > python_version",
    "'3.*' == python_version", "'3.0' ~= python_version", "python_version === '3'",
    "python_version < '3' or os_name > 'a'",
    "python_version == python_version", "python_full_version > '3' and python_full_version < '4'",
    "sys_platform < 'zzz'", "sys_platform > 'zzz'", "'zzz' > sys_platform", "sys_platform in 'darwin win32'",
    "sys_platform not in 'darwin win32'", "'nux' in sys_platform", "'win' not in sys_platform", "'lin' in os_name",
    "sys.platform == 'win32'", "os.name != 'nt'", "python_implementation == 'Jython'", "platform.machine == 'none'",
    "platform.python_implementation != 'Jython'", "platform_release >= '0'", "platform_release < '0'",
    "platform_version == ''", "implementation_version > '2'", "implementation_name == 'none'",
    "platform_system != 'Linux'",
    "extra == 'x'", "extra != 'x'", "extra == 'other'", "'x' == extra", "extra == 'X' and python_version > '3'",
    "extra in 'x'", "extra > 'a'", "extra == 'x' or extra == 'other'", "extra == 'not valid!'", "extra != 'not valid!'",
    "not python_version < '3'", "nonsense == '1'", "python_version > 3", "python_version >", "(python_version > '3'",
    "python_version > '3' and", "python_version > '3' or or os_name == 'nt'", "python_version > \"3'",
    "python_version = '3'",
    "python_version > '3'and os_name == 'nt'", "(python_version > '3')and(os_name == 'nt')",
    "os_name=='nt'or'3'<python_version",
    "python_version >= '3.0,<4'", "python_version >= '3.0' < '4'", "python_version<'3'", "((((os_name == 'nt'))))",
    "os_name != 'nt' # why", "python_version > '3.0+local'", "python_version >= '3.0rc1'", "python_version > ' 3 '",
]  # fmt: skip
CASES = [(line, "") for line in READ] + [
    (f"dep>1 ; {marker}", extras) for marker in MARKERS for extras in (("", "x") if "extra" in marker else ("",))
]
# uv refuses these, and would refuse a host's metadata for them; here their meaning is plain.
LENIENT = {"dep ()", "dep>1 ; os_name=='nt'or'3'<python_version"}
# What is written for uv in place of a line has to be readable for it, and to mean the same.
CASES += [(str(parse_requires(line)), extras) for line, extras in CASES]
Answer = tuple[bool, bool, frozenset[str]]
_LETTERS = "abcdefghij"


def _name(kind: str, number: int) -> str:
    """Return a name without digits: one of uv's corrections looks at a digit before an operator."""
    return f"{kind}-{''.join(_LETTERS[int(digit)] for digit in str(number))}"


def _resolved(house: Wheelhouse, roots: list[str], tmp_path: Path) -> dict[str, str]:
    """Return what uv would install for roots, by name."""
    command = [
        find_uv_bin(),
        "pip",
        "install",
        "--dry-run",
        "--no-index",
        "--find-links",
        str(house.path),
        "--no-config",
    ]
    command += [
        "--target",
        str(tmp_path / "target"),
        "--python",
        sys.executable,
        "--cache-dir",
        str(tmp_path / "cache"),
    ]
    (tmp_path / "roots.txt").write_text("\n".join(roots))
    done = subprocess.run([*command, "-r", str(tmp_path / "roots.txt")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(re.findall(r"^ \+ ([a-z-]+)==(\S+)$", done.stderr, re.MULTILINE))


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> list[Answer]:
    """What uv makes of each case: whether it reads the line, whether the requirement applies, the versions it accepts.

    One resolution asks everything: a subject's release 2 has the line, and is chosen only where that has a solution,
    else its release 1, which asks for nothing.
    """
    tmp_path = tmp_path_factory.mktemp("requires")
    house = Wheelhouse(tmp_path / "wheels")
    numbers, roots = count(), []
    subjects: list[tuple[str, str, dict[str, str]]] = []

    def subject(line: str, extras: str, versions: tuple[str, ...], *pins: str) -> tuple[str, str]:
        number = next(numbers)
        name, dep = _name("subject", number), _name("dep", number)
        house.add(name, "1.0", extras=["x"], files={})
        house.add(
            name,
            "2.0",
            extras=["x"],
            requires=[re.sub(r"(?i)\bdep(?=\W|$)", dep, line), *(f"{dep}{pin}" for pin in pins)],
            files={},
        )
        for version in versions:
            house.add(dep, version, extras=["some", "other"], files={})
        roots.append(f"{name}[{extras}]" if extras else name)
        return name, dep

    for line, extras in CASES:
        name, dep = subject(line, extras, VERSIONS)
        subjects.append(
            (name, dep, {v: subject(line, extras, (v,), f"=={v}")[0] for v in (VERSIONS if line in READ else ())})
        )
    found = _resolved(house, roots, tmp_path)
    return [
        (found[name] == "2.0", dep in found, frozenset(v for v, each in pinned.items() if found[each] == "2.0"))
        for name, dep, pinned in subjects
    ]


@pytest.mark.parametrize(("number", "line", "extras"), [(number, *case) for number, case in enumerate(CASES)])
def test_a_line_means_what_uv_says(
    answers: list[tuple[bool, bool, frozenset[str]]], number: int, line: str, extras: str
) -> None:
    readable, applies, accepted = answers[number]
    parsed = parse_requires(line)
    assert parsed is not None
    assert parsed.name == required_name(line) == "dep"
    if any(satisfied(parsed, version) for version in VERSIONS):  # else uv has no way to show that it could read it
        assert parsed.readable is (readable or line in LENIENT), str(parsed)
    if readable:
        environment = {key: str(value) for key, value in default_environment().items()}
        active = list(active_requires((line,), frozenset({canonicalize_name(extras)} if extras else ()), environment))
        assert bool(active) is applies
        if line in READ:
            assert {version for version in VERSIONS if not active or satisfied(parsed, version)} == accepted
