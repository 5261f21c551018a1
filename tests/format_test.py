#!/usr/bin/env python3
"""Every source is laid out as .clang-format says. format_test.py [--fix]"""

import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("src", "capi", "include", "examples", "tests")
# Laid out by hand: the ABI as tables that are read across, contracts of the format with comments wider than code may be.
BY_HAND = {
    *(ROOT / "capi" / name for name in ("backstay.h",)),
    *(ROOT / "src" / "base" / f"{name}.hpp" for name in ("aligned_buffer",)),
    *(ROOT / "src" / "format" / f"{name}.hpp" for name in (
        "content", "encoding", "entry", "envelope", "index_segment", "key_record", "pack", "repository_records", "snapshot_record", "snapshot_view", "tree_page")),
    *(ROOT / "src" / "repo" / f"{name}.hpp" for name in ("entry_sorter", "tree_writer")),
}


def sources():
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".cpp", ".hpp", ".c", ".h") and path not in BY_HAND:
                yield path


def main():
    formatter = shutil.which("clang-format-14") or shutil.which("clang-format")
    if formatter is None:
        print("clang-format is missing: install clang-format-14")
        return 1
    fix = sys.argv[1:] == ["--fix"]
    action = ["-i"] if fix else ["--dry-run", "-Werror", "--ferror-limit=1"]
    done = subprocess.run([formatter, *action, *sources()], capture_output=True, text=True, check=False)
    wrong = sorted({line.split(":", 1)[0] for line in done.stderr.splitlines() if "clang-format-violations" in line})
    for path in wrong:
        print(f"{path}: not as .clang-format says; tests/format_test.py --fix mends it")
    if done.returncode != 0 and not wrong:
        print(done.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
