from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venvkit.host import distribution as module
from venvkit.host.distribution import Distribution, Unreadable, scan
from venvkit.host.interpreter import Interpreter
from venvkit.host.metadata import egg_requires, parse_headers, read_headers

from .conftest import Listing, MakeVenv, PutDistribution
from .test_probe import DEBIAN, Ask


def only(site_dirs: list[Path] | tuple[str, ...]) -> Distribution:
    found, unreadable = scan([str(path) for path in site_dirs])
    assert not unreadable
    assert len(found) == 1
    return found[0]


def versions(*site_dirs: Path) -> dict[str, str]:
    return {item.name: item.version for item in scan([str(path) for path in site_dirs])[0]}


def unreadable(*site_dirs: Path) -> dict[str, str]:
    return {Path(item.path).name: item.why for item in scan([str(path) for path in site_dirs])[1]}


def test_all_facts_of_a_wheel(tmp_path: Path, put: PutDistribution) -> None:
    info = put(
        tmp_path,
        "Typing.Extensions",
        "4.0+local.1",
        headers=(
            "requires-dist: six (>=1.0)",
            "Requires-Dist:   tomli>=2 ; extra ==\n\t 'old_Style'",
            "Provides-Extra: old_Style",
            "Requires-Python: >=3.8",
            "License: line one\n        Version: 9.9\n        Name: not the name",
        ),
    )
    assert only([tmp_path]) == Distribution(
        name="typing-extensions",
        version="4.0+local.1",
        requires=("six (>=1.0)", "tomli>=2 ; extra == 'old_Style'"),
        extras=("old-style",),
        location=str(info),
        site_dir=str(tmp_path),
        direct_url=None,
        editable=False,
        tags=("py2-none-any", "py3-none-any"),
        requires_python=">=3.8",
    )


def test_the_first_directory_wins_in_any_spelling(tmp_path: Path, put: PutDistribution) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    put(first, "typing_extensions", "1.0")
    put(second, "Typing.Extensions", "2.0")
    put(second, "other", "3.0")
    assert versions(first, second) == {"typing-extensions": "1.0", "other": "3.0"}
    assert versions(second, first) == {"typing-extensions": "2.0", "other": "3.0"}
    assert unreadable(first, second) == {}


def test_one_directory_under_two_names_is_read_once(tmp_path: Path, put: PutDistribution) -> None:
    put(tmp_path / "lib", "demo", "1.0")
    put(tmp_path / "lib", "broken", "not a version")
    (tmp_path / "lib64").symlink_to("lib")
    found, broken = scan([str(tmp_path / "lib"), str(tmp_path / "lib64")])
    assert (len(found), len(broken)) == (1, 1)


def test_an_unparsable_version_is_listed_and_hides_what_it_shadows(tmp_path: Path, put: PutDistribution) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    put(first, "demo", "1.0-final-2019x")
    put(first, "good", "1.0")
    put(second, "demo", "2.0")
    put(second, "good", "2.0")
    assert versions(first, second) == {"good": "1.0"}
    assert unreadable(first, second) == {"demo-1.0-final-2019x.dist-info": "'1.0-final-2019x' is not a version"}
    # Behind a good copy it shadows nothing.
    assert versions(second, first) == {"good": "2.0", "demo": "2.0"}


def test_a_half_removed_folder_is_listed_and_hides_nothing(tmp_path: Path, put: PutDistribution) -> None:
    put(tmp_path, "name", "1.0", folder="~ame-1.0.dist-info")
    put(tmp_path, "name", "2.0")
    (tmp_path / "~ame").mkdir()
    assert versions(tmp_path) == {"name": "2.0"}
    why = "left behind by an interrupted uninstall"
    assert unreadable(tmp_path) == {"~ame-1.0.dist-info": why, "~ame": why}


def test_missing_metadata_is_listed(tmp_path: Path, put: PutDistribution) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    (put(first, "demo", "1.0") / "METADATA").unlink()
    put(second, "demo", "2.0")
    assert versions(first, second) == {}
    assert unreadable(first, second) == {"demo-1.0.dist-info": "no metadata can be read: METADATA is missing"}


def test_an_empty_leftover_beside_the_real_one_hides_nothing(tmp_path: Path, put: PutDistribution) -> None:
    (tmp_path / "demo-1.0.dist-info").mkdir()
    put(tmp_path, "demo", "2.0")
    assert versions(tmp_path) == {"demo": "2.0"}
    assert list(unreadable(tmp_path)) == ["demo-1.0.dist-info"]


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ("Name: demo\n\nVersion: 1.0\n", "its metadata has no version"),
        ("", "its metadata has no version"),
        ("Version: 1.0\nName: ---\n", "'-' is not a name"),
    ],
)
def test_metadata_that_says_too_little(tmp_path: Path, put: PutDistribution, metadata: str, why: str) -> None:
    put(tmp_path, "demo", "1.0", extra_files={"METADATA": metadata})
    assert list(unreadable(tmp_path).values()) == [why]


def test_a_distribution_without_a_name_takes_that_of_its_folder(tmp_path: Path, put: PutDistribution) -> None:
    put(tmp_path, "Some_Name", "1.0", extra_files={"METADATA": "Version: 1.0\n"})
    assert versions(tmp_path) == {"some-name": "1.0"}
    (tmp_path / ".dist-info").mkdir()
    (tmp_path / ".dist-info" / "METADATA").write_text("Version: 1.0\n")
    assert unreadable(tmp_path) == {".dist-info": "'' is not a name"}


def test_of_a_duplicate_the_one_that_python_finds_wins(
    make_venv: MakeVenv, ask: Ask, put: PutDistribution, as_imported: Listing
) -> None:
    python = make_venv()
    site_dir = Path(ask(python).purelib)
    put(site_dir, "demo", "1.0")
    put(site_dir, "Demo", "2.0")
    put(site_dir, "demo", "3.0")
    truth = as_imported(python)["demo"]
    assert versions(site_dir)["demo"] == truth
    listed = unreadable(site_dir)
    assert len(listed) == 2
    assert all(f"is here as {truth} (" in why and "duplicate" in why for why in listed.values())
    assert not any(f"emo-{truth}" in path for path in listed)


def test_egg_info_directories_files_and_eggs(tmp_path: Path) -> None:
    folder = tmp_path / "site" / "One_Thing.egg-info"
    folder.mkdir(parents=True)
    (folder / "PKG-INFO").write_text("Name: One_Thing\nVersion: 1.0\n")
    (folder / "requires.txt").write_text("six>=1\n\n[Fast:python_version > '3']\nnumba\n")
    (tmp_path / "site" / "two-2.0.egg-info").write_text("Metadata-Version: 1.0\nName: two\nVersion: 2.0\n")
    egg = tmp_path / "three-3.0-py3.11.egg"
    (egg / "EGG-INFO").mkdir(parents=True)
    (egg / "EGG-INFO" / "PKG-INFO").write_text("Version: 3.0\n")
    found, broken = scan([str(tmp_path / "site"), str(egg)])
    assert broken == ()
    by_name = {item.name: item for item in found}
    assert {name: item.version for name, item in by_name.items()} == {
        "one-thing": "1.0",
        "two": "2.0",
        "three": "3.0",
    }
    assert by_name["one-thing"].requires == ("six>=1", "numba ; (python_version > '3') and extra == 'Fast'")
    assert by_name["one-thing"].extras == ("fast",)
    assert by_name["three"].location == str(egg / "EGG-INFO")
    assert not by_name["one-thing"].editable


def test_a_develop_install_is_editable(tmp_path: Path) -> None:
    site_dir, source = tmp_path / "site", tmp_path / "source"
    (source / "demo.egg-info").mkdir(parents=True)
    (source / "demo.egg-info" / "PKG-INFO").write_text("Name: demo\nVersion: 1.0\n")
    site_dir.mkdir()
    (site_dir / "demo.egg-link").write_text(f"{source}\n.")
    assert only([site_dir, source]).editable
    # The link alone makes nothing importable.
    assert scan([str(site_dir)]) == ((), ())


def test_an_editable_install_points_to_its_source(tmp_path: Path, put: PutDistribution) -> None:
    record = {"url": "file:///work/demo", "dir_info": {"editable": True}}
    put(tmp_path, "demo", "1.0", extra_files={"direct_url.json": json.dumps(record)})
    found = only([tmp_path])
    assert (found.direct_url, found.editable) == ("file:///work/demo", True)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ('{"url": "https://index.example/demo.whl", "archive_info": {}}', "https://index.example/demo.whl"),
        ('{"url": "file:///demo", "dir_info": {}}', "file:///demo"),
        ('{"url": 3}', None),
        ("[]", None),
        ("{", None),
    ],
)
def test_direct_references(tmp_path: Path, put: PutDistribution, text: str, url: str | None) -> None:
    put(tmp_path, "demo", "1.0", extra_files={"direct_url.json": text})
    found = only([tmp_path])
    assert (found.direct_url, found.editable) == (url, False)


def test_directories_that_are_not_there_are_listed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found, broken = scan([str(tmp_path / "absent"), str(tmp_path / "file"), "with\0nul"])
    assert found == ()
    assert [Path(item.path).name for item in broken] == ["file", "absent", "with\0nul"]
    assert all(item.why.startswith("the directory cannot be listed") for item in broken)


def test_a_folder_whose_name_is_not_unicode_is_listed(tmp_path: Path, put: PutDistribution) -> None:
    put(tmp_path, "demo", "1.0").rename(tmp_path / "caf\udce9-1.0.dist-info")
    found, (broken,) = scan([str(tmp_path)])
    assert found == ()
    assert broken == Unreadable(f"{tmp_path}/caf\\udce9-1.0.dist-info", broken.why)
    assert "Unicode" in broken.why


def test_long_headers_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "METADATA"
    many = [f"Requires-Dist: package-{number}" for number in range(3000)]
    path.write_bytes("\r\n".join(["Name: demo", "Version: 1.0", *many, "", "Version: 2.0"]).encode() + b"\xff")
    found = read_headers(str(path))
    assert found["version"] == ["1.0"]
    assert found["requires-dist"] == [line.partition(": ")[2] for line in many]


def test_invalid_bytes_are_replaced(tmp_path: Path) -> None:
    path = tmp_path / "METADATA"
    path.write_bytes(b"\xef\xbb\xbfName: demo\nAuthor: caf\xe9\nVersion: 1.0")
    assert read_headers(str(path)) == {"name": ["demo"], "version": ["1.0"]}


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Name", "Version", "Requires-Dist", "Provides-Extra", "Summary"]),
            st.text(alphabet="abc :;.=1", max_size=12).map(str.strip),
        ),
        max_size=8,
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_headers_are_read_as_the_email_package_reads_them(headers: list[tuple[str, str]], end: str) -> None:
    import email

    text = end.join(f"{name}: {value}" for name, value in headers) + end + end + f"Version: body{end}"
    message = email.message_from_string(text)
    found = parse_headers(text)
    for name in ("Name", "Version", "Requires-Dist", "Provides-Extra"):
        assert found.get(name.lower(), []) == [str(value) for value in message.get_all(name, [])]


def test_requires_of_eggs() -> None:
    text = "# comment\na\n[:os_name == 'nt']\nb>1\n[x]\nc @ https://index.example/c.whl\n[x:os_name == 'a']\nd;e\n"
    assert egg_requires(text) == (
        [
            "a",
            "b>1 ; (os_name == 'nt')",
            "c @ https://index.example/c.whl ; extra == 'x'",
            "d ; (e) and (os_name == 'a') and extra == 'x'",
        ],
        ["x"],
    )


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="no Debian interpreter on this machine")
def test_debians_distributions_are_what_its_python_imports(ask: Ask, as_imported: Listing) -> None:
    _compare(ask("/usr/bin/python3"), as_imported("/usr/bin/python3"))


def test_our_own_environment_is_what_python_imports(ask: Ask, as_imported: Listing) -> None:
    import sys

    _compare(ask(sys.executable), as_imported(sys.executable))


def _compare(interpreter: Interpreter, truth: dict[str, str]) -> None:
    found, broken = scan(interpreter.site_dirs)
    assert {item.name: item.version for item in found} == truth
    assert not [item for item in broken if "duplicate" not in item.why]


def test_mixed_hosts_are_what_python_imports(
    ask: Ask, make_venv: MakeVenv, put: PutDistribution, as_imported: Listing, tmp_path: Path
) -> None:
    python = make_venv("host", "--system-site-packages")
    site_dir = Path(ask(python).purelib)
    front, listed, source = (tmp_path / name for name in ("front", "listed", "source"))
    put(site_dir, "demo", "1.0")
    put(site_dir, "Own_Thing", "1.0")
    put(front, "own.thing", "2.0")
    put(listed, "demo", "3.0")
    source.mkdir()
    editable = {"direct_url.json": json.dumps({"url": source.as_uri(), "dir_info": {"editable": True}})}
    put(site_dir, "linked", "0.1", extra_files=editable)
    (site_dir / "linked.pth").write_text(f"{source}\nimport sys; sys.path.insert(0, {str(front)!r})\n")
    interpreter = ask(python, PYTHONPATH=str(listed))
    assert interpreter.site_dirs[:2] == (str(front), str(listed))
    truth = as_imported(python, PYTHONPATH=str(listed))
    assert (truth["demo"], truth["own-thing"], truth["linked"]) == ("3.0", "2.0", "0.1")
    _compare(interpreter, truth)


@pytest.mark.bench
def test_a_thousand_distributions_take_at_most_150_ms(tmp_path: Path, put: PutDistribution) -> None:
    headers = tuple(f"Requires-Dist: package-{number}>=1.0,<3; python_version >= '3.8'" for number in range(8))
    for number in range(1000):
        put(tmp_path, f"package-{number}", f"1.{number}", headers=(*headers, "Summary: " + "x" * 2000))
    best = min(_timed(lambda: scan([str(tmp_path)])) for _ in range(5))
    assert best <= 0.150


def _timed(call: Callable[[], object]) -> float:
    module._is_version.cache_clear()
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
