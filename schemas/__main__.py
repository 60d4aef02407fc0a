"""`python -m schemas` writes the contracts' files; with `--check` it only says which of them are stale, and exits 1."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from schemas.export import texts

HERE = Path(__file__).parent


def main(arguments: Sequence[str] | None = None, folder: Path = HERE) -> int:
    """Write or check the files below `folder`; return the exit code."""
    parser = ArgumentParser(prog="python -m schemas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is stale")
    check = parser.parse_args(arguments).check
    wanted = texts()
    differ = [path for path, text in wanted.items() if _read(folder / path) != text]
    extra = [f"json/{file.name}" for file in sorted((folder / "json").glob("*")) if f"json/{file.name}" not in wanted]
    if check:
        for path in differ:
            print(f"{path}: is stale; run python -m schemas")
        for path in extra:
            print(f"{path}: belongs to no contract; run python -m schemas")
        return 1 if differ or extra else 0
    for path in differ:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(wanted[path], encoding="utf-8", newline="\n")
        print(f"{path}: written")
    for path in extra:
        (folder / path).unlink()
        print(f"{path}: removed")
    return 0


def _read(file: Path) -> str | None:
    return file.read_bytes().decode("utf-8", errors="replace") if file.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
