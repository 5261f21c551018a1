"""Runs the command in a place of its own: what tests of the command share."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import traceback


class Place:
    """A temporary folder with a repository, its key and its cache."""

    def __init__(self, command):
        self.command = command
        self.folder = tempfile.TemporaryDirectory(prefix="backstay-test-")
        self.path = pathlib.Path(self.folder.name)
        (self.path / "key").write_bytes(os.urandom(32))
        self.environment = {
            "PATH": os.environ["PATH"], "HOME": str(self.path), "BACKSTAY_REPOSITORY": str(self.path / "repository"),
            "BACKSTAY_KEY_FILE": str(self.path / "key"), "BACKSTAY_CACHE_DIR": str(self.path / "cache"), "TZ": "UTC", "LC_ALL": "C.UTF-8",
        }
        self.process_options = {}  # as whom the command runs
        for name in ("ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "TMPDIR"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def copy_command(self):
        """From now on a copy in the place is run, which other users may reach, too."""
        build = self.path / "build"  # the program finds its library from where it lies
        library = pathlib.Path(self.command).parents[2] / "capi" / "libbackstay.so.0"
        for name, path in (("examples/backstay/backstay", self.command), ("capi/libbackstay.so.0", library)):
            (build / name).parent.mkdir(parents=True)
            shutil.copy(path, build / name)
        self.command = str(build / "examples" / "backstay" / "backstay")

    def start(self, *arguments, **options):
        return subprocess.Popen([self.command, *map(os.fspath, arguments)], env=self.environment, **self.process_options, **options)

    def run(self, *arguments, status=0, stdin=None, environment=None):
        """Standard output; the exit status must be the one that is expected."""
        done = subprocess.run([self.command, *map(os.fspath, arguments)], env={**self.environment, **(environment or {})}, input=stdin, capture_output=True, check=False, **self.process_options,
                              stdin=None if stdin is not None else subprocess.DEVNULL)
        if done.returncode != status:
            raise AssertionError(f"{arguments}: status {done.returncode}, not {status}\n{done.stdout.decode(errors='replace')}\n{done.stderr.decode(errors='replace')}")
        self.stderr = done.stderr.decode(errors="replace")
        return done.stdout

    def json(self, *arguments, status=0, **options):
        """All records; the last one is the summary."""
        return [json.loads(line) for line in self.run("--json", *arguments, status=status, **options).splitlines()]

    def summary(self, *arguments, status=0, **options):
        last = self.json(*arguments, status=status, **options)[-1]
        assert last["type"] == "summary", last
        return last


def run_all(tests, command):
    """Runs every test by its name, in a place of its own."""
    command = os.path.abspath(command)  # tests change folders
    failed = 0
    for test in tests:
        try:
            place = Place(command)
            with place.folder:
                test(place)
        except AssertionError as error:
            failed += 1
            print(f"FAILED {test.__name__}: {error}\n{traceback.format_exc(limit=-2)}")
        else:
            print(f"ok {test.__name__}")
    return 1 if failed else 0
