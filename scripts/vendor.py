"""Fetch the JavaScript libraries of the page, each a minified ES module and its licence.

    python scripts/vendor.py

`vendor.json` beside the page says which, and of which version; npm has to be installed. The files and their
SHA-256 are committed, so that nothing is fetched to build, install or serve.
"""

import hashlib
import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "src" / "soundkin" / "service" / "page"
VENDOR = PAGE / "vendor"
SUMS = VENDOR / "SHA256SUMS"  # sha256sum --check reads it


def main() -> None:
    """Put the libraries that vendor.json names in the place of those that are there."""
    shutil.rmtree(VENDOR, ignore_errors=True)
    for name, version in json.loads((PAGE / "vendor.json").read_text(encoding="utf-8")).items():
        (VENDOR / name).mkdir(parents=True)
        for file, content in fetch(name, version).items():
            (VENDOR / name / file).write_bytes(content)
    files = sorted(path for path in VENDOR.rglob("*") if path.is_file())
    lines = [f"{sha256(path)}  {path.relative_to(VENDOR).as_posix()}\n" for path in files]
    SUMS.write_text("".join(lines), encoding="utf-8")
    print("".join(lines), end="")


def fetch(name: str, version: str) -> dict[str, bytes]:
    """The module that `import` takes, and the licence, of a package of the npm registry."""
    with tempfile.TemporaryDirectory() as folder:
        npm = ["npm", "pack", "--silent", "--pack-destination", folder, f"{name}@{version}"]
        subprocess.run(npm, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as packed:
            about = json.loads(read(packed, "package.json"))
            module = about["exports"]["."]["import"].removeprefix("./")
            return {Path(module).name: read(packed, module), "LICENSE": read(packed, "LICENSE")}


def read(packed: tarfile.TarFile, file: str) -> bytes:
    """What is in a file of a package."""
    content = packed.extractfile(f"package/{file}")
    assert content is not None
    return content.read()


def sha256(path: Path) -> str:
    """As sha256sum prints it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
