"""What the benchmarks share: running a program with its time and peak of memory, medians, rows of a table."""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
MIB = 1 << 20


class Peak:
    """The largest RssAnon of a process, looked at often."""

    def __init__(self, pid):
        self.kib, self.pid, self.done = 0, pid, threading.Event()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def watch(self):
        while not self.done.wait(0.01):
            try:
                for line in open(f"/proc/{self.pid}/status", encoding="ascii"):
                    if line.startswith("RssAnon"):
                        self.kib = max(self.kib, int(line.split()[1]))
            except (OSError, ValueError):
                return

    def stop(self):
        self.done.set()
        self.thread.join()
        return self.kib


class Ballast:
    """A file without contents, read to fill memory with its page cache, which gives way to whoever needs memory."""

    FREE_ENOUGH = 1536 * MIB
    STEP = 8 * MIB

    def __init__(self):
        self.file, self.at, self.buffer = tempfile.TemporaryFile(dir=ROOT), 0, bytearray(self.STEP)

    def free(self):
        return next(int(line.split()[1]) * 1024 for line in open("/proc/meminfo", encoding="ascii") if line.startswith("MemFree"))

    def fill_memory(self):
        """Makes a machine look as if it had been up for a while. What a virtual one has free its host takes, and gives back at the next touch: more than a second a GiB, charged to whoever comes next."""
        end = self.at + max(0, self.free() - self.FREE_ENOUGH)
        self.file.truncate(end)
        while self.at < end and self.free() > self.FREE_ENOUGH:
            self.at += os.preadv(self.file.fileno(), [self.buffer], self.at)
        self.at = end


BALLAST = Ballast()


def run(words, **options):
    """Seconds and peak in KiB of a program; ends the benchmark if it fails."""
    words = [str(word) for word in words]
    BALLAST.fill_memory()
    started = time.monotonic()
    process = subprocess.Popen(words, stdout=options.pop("stdout", subprocess.DEVNULL), stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, **options)
    peak = Peak(process.pid)
    _, errors = process.communicate()
    seconds = time.monotonic() - started
    kib = peak.stop()
    if process.returncode != 0:
        sys.exit(f"{' '.join(words)}: status {process.returncode}\n{errors.decode(errors='replace')[-3000:]}")
    return seconds, kib


def size_of(folder):
    return sum(path.stat().st_size for path in pathlib.Path(folder).rglob("*") if path.is_file() and not path.is_symlink())


def prepare(arguments):
    """Installs the peers; builds a release unless --backstay names a program."""
    subprocess.run([ROOT / "tools" / "prepare", "bench"], check=True)
    if arguments.backstay is None:
        build = ROOT / "build"
        if not (build / "build.ninja").exists():
            subprocess.run(["meson", "setup", build, "--buildtype=release", "-Dtests=false"], check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
        subprocess.run(["ninja", "-C", build], check=True, stdout=subprocess.DEVNULL)
        arguments.backstay = str(build / "examples" / "backstay" / "backstay")


class Results:
    """Measurements by what was done and who did it, in the order they came."""

    def __init__(self):
        self.values = {}

    def note(self, operation, tool, seconds_and_kib):
        self.values.setdefault(operation, {}).setdefault(tool, []).append(seconds_and_kib)

    def median(self, operation, tool):
        return statistics.median(value[0] for value in self.values[operation][tool])

    def peak(self, operation, tool):
        return max(value[1] for value in self.values[operation][tool])
