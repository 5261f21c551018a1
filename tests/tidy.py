#!/usr/bin/env python3
"""Lets clang-tidy look at sources, by the compile commands of a build. tidy.py BUILD-FOLDER [--all]

Without --all: at what differs from `main` (on main: from the commit before), which is what a change can break.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FOLDERS = ("src", "capi", "examples", "tests/fuzz")
MOST_CHANGED = 24  # a change that touches more is for --all


def git(*arguments):
    done = subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def changed():
    """Paths that differ from where this work began, in the working tree, too."""
    base = git("merge-base", "HEAD", "main") or git("merge-base", "HEAD", "origin/main")
    if not base or base == git("rev-parse", "HEAD"):
        base = git("rev-parse", "HEAD~1")
    names = git("diff", "--name-only", base[0]) if base else []
    return {ROOT / name for name in names + git("ls-files", "--others", "--exclude-standard")}


def compiled(build):
    """Every source of ours in the build, once."""
    commands = json.loads((build / "compile_commands.json").read_text())
    files = {(build / command["file"]).resolve() for command in commands}
    return sorted(path for path in files if any(path.is_relative_to(ROOT / folder) for folder in FOLDERS))


def touched(path, paths):
    return path in paths or path.with_suffix(".hpp") in paths


def look_at(build, path):
    command = ["clang-tidy-14", "-p", build, "--quiet", "--extra-arg=-Wno-unknown-warning-option", f"--extra-arg=-I{ROOT}/src/precompiled", path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return path, done.returncode, done.stdout


def main():
    if len(sys.argv) not in (2, 3) or (len(sys.argv) == 3 and sys.argv[2] != "--all"):
        print(__doc__, file=sys.stderr)
        return 2
    build = pathlib.Path(sys.argv[1]).resolve()
    paths = compiled(build)
    if len(sys.argv) == 2:
        recent = changed()
        paths = [path for path in paths if touched(path, recent)]
        if len(paths) > MOST_CHANGED:
            print(f"{len(paths) - MOST_CHANGED} more changed files are looked at by --all alone")
            paths = paths[:MOST_CHANGED]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as workers:
        for path, status, output in workers.map(lambda path: look_at(build, path), paths):
            if status != 0:
                failed += 1
                print(f"{path.relative_to(ROOT)}:\n{output}")
    print(f"{len(paths)} files, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
