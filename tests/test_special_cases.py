from pathlib import Path
from tests.wheelhouse import Wheelhouse
def flat_index(path: Path, house: Wheelhouse) -> str:
    """Write a simple index as files, one page per project."""
    for wheel in house.made:
        page = path / wheel.name.split("-")[0].replace("_", "-") / "index.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        with page.open("a", encoding="utf-8") as out:
            out.write(f'<a href="{wheel.as_uri()}">{wheel.name}</a>\n')
    return path.as_uri()
