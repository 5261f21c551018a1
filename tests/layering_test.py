#!/usr/bin/env python3
"""Keeps the arrows between the layers pointing down: who may include whom, and why."""

import pathlib
import re
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent)

# Folder: what it may include beside itself. Each row says why it may no more.
ALLOWED = {
    "precompiled": set(),  # standard headers, for the compiler alone: no source includes it
    "base": set(),  # bytes, errors, files, threads: knows nothing of backups
    "codec": {"base"},  # pure: bytes in, bytes out
    "net": {"base"},  # HTTP over libcurl: knows no service
    "postgres": {"base", "codec"},  # libpq, and what PostgreSQL's servers send: knows nothing of backups
    "format": {"base", "codec"},  # bytes <-> structs, no I/O
    "store": {"base", "codec", "net"},  # named objects: never learns what a pack is; signs S3 requests
    "repo": {"base", "codec", "format", "store"},  # a repository over a store; knows no source, no target
    "source": {"base", "format", "postgres"},  # data in; sees its parent through format/snapshot_view
    "target": {"base", "format", "postgres"},  # data out; sees a snapshot through format/snapshot_view
    "engine": {"base", "codec", "format", "store", "repo", "source", "target", "postgres"},  # brings them together
}
# The ABI translates: it sees everything below, and nothing sees it.
PUBLIC = re.compile(r'^\s*#\s*include\s*[<"](backstay(?:/[\w.]+)?|backstay\.h)[>"]')
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([\w./]+)[>"]')
LAYERS = "|".join(ALLOWED)


def includes(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if found := INCLUDE.match(line):
            yield number, found.group(1)


def wrong_in_src():
    for path in sorted((ROOT / "src").rglob("*.[ch]pp")):
        layer = path.relative_to(ROOT / "src").parts[0]
        for number, name in includes(path):
            other = name.split("/")[0]
            if name.startswith("backstay"):
                yield f"{path}:{number}: src knows nothing of the public headers ({name})"
            elif other in ALLOWED and other != layer and other not in ALLOWED[layer]:
                yield f"{path}:{number}: {layer} may not include {name}"


def wrong_outside():
    # Examples and the C++ headers stand on the ABI alone.
    for folder in ("examples", "include"):
        for path in sorted((ROOT / folder).rglob("*.[ch]*")):
            for number, name in includes(path):
                if re.match(rf"({LAYERS})/", name) or name.startswith("../"):
                    yield f"{path}:{number}: {folder} may not include {name}"


def main():
    known = {path.name for path in (ROOT / "src").iterdir() if path.is_dir()}
    problems = [f"src/{name} has no row in the table" for name in sorted(known - set(ALLOWED))]
    problems += list(wrong_in_src()) + list(wrong_outside())
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
