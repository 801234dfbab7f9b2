"""What stands for real distributions: hosts and wheels with as many files and requirements, and next to no content."""

from __future__ import annotations

from pathlib import Path

from tests.wheelhouse import Wheelhouse

# Part of the names of what is kept between runs: raise it when any of this changes.
FORMAT = 2
# The four-wheel example on a host that has older ones: files of transformers, tokenizers, accelerate and
# sentence-transformers.
FOUR = {"four-main": 2500, "four-words": 60, "four-speed": 180, "four-vectors": 330}
FOUR_REQUEST = ("four-main==2.0", "four-speed>=1.5", "four-vectors>=1.5")
# A server with its engine: 104 distributions with 39,800 files, a few of them with most.
MANY = 104
MANY_FILES = 39_800


def host_distribution(site_packages: Path, number: int) -> None:
    """Write one distribution of a host: it requires up to three of those before it, and one extra's worth more."""
    version = "1.0"
    name = f"host-{number}" if number >= len(FOUR) else list(FOUR)[number]
    stem = name.replace("-", "_")
    known = [n for n in (number - 1, number // 2, number // 3) if n >= len(FOUR)]
    requires = [f"Requires-Dist: host-{n}>=0.5,<3" for n in dict.fromkeys(known)]
    requires += ["Requires-Dist: four-main<3 ; python_version >= '3.8'"] if number % 50 == 10 else []
    requires += ["Provides-Extra: test", "Requires-Dist: pytest>=7 ; extra == 'test'"]
    info = site_packages / f"{stem}-{version}.dist-info"
    info.mkdir()
    head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", "Summary: made on the spot", *requires]
    (info / "METADATA").write_text("\n".join(head) + "\n\n" + "A description.\n" * 40, encoding="utf-8")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n", encoding="utf-8")
    (info / "INSTALLER").write_text("uv\n", encoding="utf-8")
    files = [f"{stem}/__init__.py", *(f"{info.name}/{part}" for part in ("METADATA", "WHEEL", "INSTALLER", "RECORD"))]
    (info / "RECORD").write_text("".join(f"{path},,\n" for path in files), encoding="utf-8")
    package = site_packages / stem
    package.mkdir()
    (package / "__init__.py").write_text(f"__version__ = {version!r}\n", encoding="utf-8")


def make_wheels(folder: Path) -> None:
    """Write all wheels of the bench."""
    house = Wheelhouse(folder)
    needs = {"four-main": ["four-words>=1.5"], "four-speed": ["four-main>=1.5"], "four-vectors": ["four-main>=1.5"]}
    for name, files in FOUR.items():
        requires = [*needs.get(name, []), "host-20>=0.9", "host-30"]
        house.add(name, "2.0", requires=requires, files=_files(name, files))
    for number in range(MANY):
        requires = [f"many-{other}>=1" for other in sorted({number // 2, number // 3}) if other < number]
        house.add(f"many-{number}", "1.0", requires=requires, files=_files(f"many-{number}", many_files(number)))
    for number in range(110):
        house.add(f"single-{number}", "1.0", files=_files(f"single-{number}", 12))


def many_files(number: int) -> int:
    """Return how many files the distribution `many-<number>` has: a few have thousands, most a few dozen."""
    large = {0: 11_000, 1: 6_000, 2: 4_000, 3: 3_000, 4: 2_500, 5: 2_000, 6: 1_500, 7: 1_200, 8: 1_000, 9: 900}
    rest = (MANY_FILES - sum(large.values())) // (MANY - len(large))
    return large.get(number, rest)


def _files(name: str, count: int) -> dict[str, str]:
    stem = name.replace("-", "_")
    files = {f"{stem}/__init__.py": '__version__ = "2.0"\n'}
    # About forty to a folder, as packages have them.
    folders = [f"{stem}/part{n // 40}/" if count > 40 else f"{stem}/" for n in range(count - 1)]
    files |= {f"{folder}module{n}.py": f"value = {n}\n" for n, folder in enumerate(folders)}
    return files
