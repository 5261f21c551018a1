#!/usr/bin/env python3
"""The examples do what they say: a backup and a restore, compared. examples_test.py FIRST_BACKUP_C FIRST_BACKUP_CPP COMMAND"""

import filecmp
import os
import pathlib
import subprocess
import sys
import tempfile

c_example, cpp_example, command = sys.argv[1:4]

for example in (c_example, cpp_example):
    with tempfile.TemporaryDirectory() as folder:
        place = pathlib.Path(folder)
        live = place / "live"
        live.mkdir()
        (live / "a").write_text("one\n")
        (live / "b with blanks").write_bytes(os.urandom(300_000))
        (place / "key").write_bytes(os.urandom(32))
        environment = dict(os.environ, XDG_CACHE_HOME=str(place / "cache"))
        subprocess.run([example, place / "repository", place / "key", live, place / "back"], check=True, env=environment, stdout=subprocess.DEVNULL)
        failed = subprocess.run([example, place / "another", place / "key", place / "nowhere", place / "none"], check=False, env=environment, capture_output=True, text=True)
        assert failed.returncode == 1 and "to be saved" in failed.stderr and "usage" not in failed.stderr, failed.stderr
        restored = place / "back" / str(live)[1:]
        for name in ("a", "b with blanks"):
            assert filecmp.cmp(live / name, restored / name, shallow=False), f"{example}: {name} differs"
        if example == cpp_example:
            assert (place / "back" / "settings" / "settings.ini").read_text() == "colour = blue\n"
        subprocess.run([command, "-r", place / "repository", "--key-file", place / "key", "check", "--read-data", "--quiet"], check=True, env=environment,
                       stdout=subprocess.DEVNULL)
