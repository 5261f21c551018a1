"""Where servers that tests start and throw away keep their files: in memory, if there is plenty of it."""

import os
import pathlib
import tempfile

MEMORY = pathlib.Path("/dev/shm")
NEEDED = 6 << 30


def available():
    """Bytes that may be filled there."""
    try:
        place = os.statvfs(MEMORY)
        lines = dict(line.split(":", 1) for line in pathlib.Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    except OSError:
        return 0
    return min(place.f_bavail * place.f_frsize, int(lines["MemAvailable"].split()[0]) * 1024) if os.access(MEMORY, os.W_OK) else 0


def use():
    """From now on temporary folders lie there, those of the programs that are started, too; on disk where memory is short.

    A server's cluster is a thousand small files: making and removing them by the dozen takes longer on disk than the tests themselves."""
    if "TMPDIR" not in os.environ and available() >= NEEDED:
        tempfile.tempdir = os.environ["TMPDIR"] = str(MEMORY)
