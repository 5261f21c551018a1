#!/usr/bin/env python3
"""The C ABI is what it was. abi_test.py HEADER BASELINE [--update]

What the header says (functions, structs, numbers) is compiled into a library of empty functions, and compared with the
kept description by libabigail. New functions are welcome; a release keeps them in the description. Whoever changes or removes
anything on purpose updates the description and says so in CHANGELOG.md.
"""

import pathlib
import platform
import re
import subprocess
import sys
import tempfile


def plain(header):
    """The header without comments, each enum named after its first constant so that a function can speak of it."""
    text = re.sub(r"/\*.*?\*/", " ", header.read_text(), flags=re.DOTALL)
    return re.sub(r"\benum\s*\{\s*(BACKSTAY_\w+)", r"enum from_\1 { \1", text)


def functions_of(text):
    """Definitions of everything that the header declares, and one that takes each enum."""
    without_macros = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*$", "", text, flags=re.MULTILINE)
    for marker, rest in re.findall(r"\b(BACKSTAY_CALL|BACKSTAY_API)\s+([^;{}]*?\))\s*;", without_macros):
        result = "backstay_status " if marker == "BACKSTAY_CALL" else ""
        yield f"{result}{' '.join(rest.split())} {{ __builtin_trap(); }}"
    for name in re.findall(r"\benum (from_BACKSTAY_\w+)", text):
        yield f"void takes_{name}(enum {name} value) {{ (void)value; }}"


def describe(header, folder):
    """What libabigail says of a library that has every function of the header."""
    text = plain(header)
    functions = list(functions_of(text))
    assert len(functions) > 60, "the header's functions were not found"
    source = folder / "all.c"
    source.write_text(text + "\n" + "\n".join(functions) + "\n")
    library = folder / "libbackstay.so.0"
    subprocess.run(["cc", "-std=c99", "-g", "-O0", "-shared", "-fPIC", "-Wl,-soname,libbackstay.so.0", "-w", "-o", library, source], check=True)
    described = folder / "new.abi"
    subprocess.run(["abidw", "--no-corpus-path", "--no-comp-dir-path", "--no-show-locs", "--out-file", described, library], check=True)
    return described


def main():
    if len(sys.argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    if platform.machine() != "x86_64":
        print("the kept description is x86-64's")
        return 77  # meson's word for skipped
    header, baseline = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as name:
        described = describe(header, pathlib.Path(name))
        if sys.argv[3:] == ["--update"]:
            baseline.parent.mkdir(exist_ok=True)
            baseline.write_text(described.read_text())
            return 0
        done = subprocess.run(["abidiff", "--no-show-locs", baseline, described], capture_output=True, text=True, check=False)
    added_only = re.search(r"Functions changes summary: 0 Removed, 0 Changed", done.stdout)
    if done.returncode == 0 or added_only:
        return 0
    print(done.stdout + done.stderr)
    print("This may break hosts that were built before. If it is meant: tests/abi_test.py capi/backstay.h tests/abi/backstay.abi --update, and a line in CHANGELOG.md.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
