"""A file system that is soon full."""

import contextlib
import os
import subprocess


@contextlib.contextmanager
def small_disk(folder, mebibytes):
    """A new folder as a small file system; False where mounting is not allowed."""
    folder.mkdir(mode=0o700)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0700", "backstay-test", folder], capture_output=True, check=False)
    mounted = os.geteuid() == 0 and done.returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=True)
