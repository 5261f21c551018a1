#!/usr/bin/env python3
"""A real S3 server for tests: Ceph's RADOS gateway over a cluster of one monitor and one OSD that keeps everything in memory.

As a module: `with Rgw() as server:`. As a program, `rgw.py COMMAND [ARGUMENT…]` runs a command with a server beside it, whose place
and keys are in BACKSTAY_TEST_S3_HTTP, _HTTPS, _CA_FILE, _ACCESS_KEY, _SECRET_KEY.

Everything lies in a temporary folder and listens on 127.0.0.1 only; any number run side by side, as root or not. What is started here
ends with it: at stop(), and, if this program is killed, by the kernel's parent-death signal.
"""

import base64
import contextlib
import ctypes
import os
import pathlib
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid

PATIENCE = 60  # seconds for a whole start, which takes 1 to 2 on an idle machine
PROGRAMS = ("radosgw", "radosgw-admin", "ceph", "ceph-mon", "ceph-osd", "monmaptool", "openssl")

CONFIGURATION = """
[global]
fsid = {fsid}
mon host = v1:127.0.0.1:{mon_port}
public addr = 127.0.0.1
cluster addr = 127.0.0.1
# Lost to another process, a port stays lost: fail at once rather than after ten seconds.
ms bind retry count = 1
run dir = run
crash dir = run
admin socket =
log file = log/$name.log
# The cluster trusts whoever reaches it on loopback; the gateway checks S3 signatures all the same.
auth cluster required = none
auth service required = none
auth client required = none
# The gateway asks for an encrypted channel, which cannot be had without cluster authentication.
ms mon client mode = crc
# One OSD holds the only copy of everything.
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
# We set its place in the map. Left to itself the OSD asks the monitor, and exits when that is not ready for the question.
osd crush update on start = false
osd class update on start = false

[mon]
mon data = mon
mon data avail crit = 1
mon cluster log file = log/cluster.log
# Commit at once; by default the monitor gathers changes for a second.
paxos propose interval = 0.01
paxos min wait = 0.01

[osd]
osd data = osd
osd objectstore = memstore
memstore device bytes = 8589934592
osd class load list = *
osd class default list = *
# How long a new bucket waits for a gateway that was killed; 30 by default.
osd client watch timeout = 2

[client]
# The gateway starts together with the OSD and may ask too early: look again soon, by default only after five seconds.
objecter tick interval = 0.1
# Without tcp_nodelay every small reply waits some 40 ms for the client's delayed acknowledgement.
rgw frontends = beast tcp_nodelay=1 endpoint=127.0.0.1:{http_port} ssl_endpoint=127.0.0.1:{https_port} \
ssl_certificate=tls/server.pem ssl_private_key=tls/server-key.pem
rgw dns name = s3.localhost
rgw thread pool size = 32
rgw run sync thread = false
# One line a request in log/client.rgw.log.
debug rgw = 1/1
# A lifecycle "day" lasts five seconds, and the memory of deleted objects is freed as soon.
rgw lc debug interval = 5
rgw gc obj min wait = 5
rgw gc processor period = 5
rgw gc processor max time = 5
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = test-key={kms_key}
# Local keys first: in the default order every bad signature would be a plain AccessDenied.
rgw s3 auth use sts = true
rgw sts key = {sts_key}
rgw s3 auth order = local, sts
"""

CERTIFICATES = """
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = IP:127.0.0.1, DNS:s3.localhost, DNS:*.s3.localhost
"""


class Lost(Exception):
    """A port was lost to another process, or a daemon died: worth another try."""


def end_with_parent():
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_ports(count):
    """Below the range from which outgoing connections take theirs, above the one where the OSD finds its own."""
    found = []
    while len(found) < count:
        port = random.SystemRandom().randrange(10000, 30000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    return found


def listeners(port):
    """Inodes of the sockets that listen on a port."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(table) as lines:
            for line in list(lines)[1:]:
                fields = line.split()
                if fields[3] == "0A" and fields[1].endswith(f":{port:04X}"):
                    found.add(fields[9])
    return found


class Rgw:
    """The server. `http` and `https` are its URLs, `ca_file` the authority of its certificate."""

    def __init__(self, parent=None):
        missing = [name for name in PROGRAMS if shutil.which(name) is None]
        if missing:
            raise RuntimeError(f"missing programs: {', '.join(missing)}; tools/prepare test installs them")
        self.folder = tempfile.TemporaryDirectory(prefix="backstay-rgw-", dir=parent)
        self.path = pathlib.Path(self.folder.name)
        self.daemons = {}
        self.access_key, self.secret_key = secrets.token_hex(10), secrets.token_hex(20)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def environment(self):
        """For whoever is to use it with AWS's own variables."""
        return {"AWS_ACCESS_KEY_ID": self.access_key, "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_CA_BUNDLE": str(self.ca_file), "AWS_REGION": "us-east-1"}

    # --- starting

    def start(self):
        (self.path / "log").mkdir()
        self.make_certificates()
        self.deadline = time.monotonic() + PATIENCE
        while True:
            try:
                self.start_cluster()
                return
            except Lost as lost:
                self.kill_all()
                if time.monotonic() > self.deadline:
                    raise RuntimeError(f"the S3 server does not start: {lost}\n{self.last_words()}") from lost

    def start_cluster(self):
        self.mon_port, self.http_port, self.https_port = free_ports(3)
        for name in ("mon", "osd", "run"):
            shutil.rmtree(self.path / name, ignore_errors=True)
            (self.path / name).mkdir()
        fsid, osd_id = str(uuid.uuid4()), str(uuid.uuid4())
        (self.path / "ceph.conf").write_text(CONFIGURATION.format(
            fsid=fsid, mon_port=self.mon_port, http_port=self.http_port, https_port=self.https_port,
            kms_key=base64.b64encode(os.urandom(32)).decode(), sts_key=secrets.token_hex(8)))
        self.run("monmaptool", "--create", "--clobber", "--fsid", fsid, "--addv", "a", f"[v1:127.0.0.1:{self.mon_port}]", "monmap")
        self.run("ceph-mon", "-c", "ceph.conf", "--mkfs", "-i", "a", "--monmap", "monmap")
        self.launch("mon", "ceph-mon", "-i", "a")
        self.wait("mon", lambda: self.owns("mon", self.mon_port))
        # The monitor may refuse its very first commands (EPERM), so each is repeated.
        self.wait("mon", lambda: self.succeeds("ceph", "-c", "ceph.conf", "osd", "new", osd_id))
        self.run("ceph-osd", "-c", "ceph.conf", "-i", "0", "--mkfs", "--osd-uuid", osd_id)
        self.launch("osd", "ceph-osd", "-i", "0")
        self.launch("rgw", "radosgw", "-n", "client.rgw")  # it waits for the OSD, so both can start at once
        self.wait("osd", lambda: self.succeeds("ceph", "-c", "ceph.conf", "osd", "crush", "add", "osd.0", "1.0", "root=default"))
        self.wait_for_gateway()
        self.add_user("test", self.access_key, self.secret_key)

    def add_user(self, name, access_key, secret_key):
        self.wait("rgw", lambda: self.succeeds("radosgw-admin", "-c", "ceph.conf", "-n", "client.admin", "user", "create", f"--uid={name}", f"--display-name={name}",
                                               f"--access-key={access_key}", f"--secret-key={secret_key}"))

    def admin(self, *arguments):
        self.run("radosgw-admin", "-c", "ceph.conf", "-n", "client.admin", *arguments)

    def wait_for_gateway(self):
        self.wait("rgw", lambda: self.owns("rgw", self.http_port) and self.owns("rgw", self.https_port))

    def make_certificates(self):
        tls = self.path / "tls"
        tls.mkdir()
        (tls / "openssl.cnf").write_text(CERTIFICATES)
        new = ["openssl", "req", "-x509", "-config", "tls/openssl.cnf", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
        self.run(*new, "-subj", "/CN=test authority", "-extensions", "authority", "-keyout", "tls/ca-key.pem", "-out", "tls/ca.pem")
        self.run(*new, "-subj", "/CN=s3.localhost", "-extensions", "server", "-CA", "tls/ca.pem", "-CAkey", "tls/ca-key.pem", "-keyout", "tls/server-key.pem", "-out", "tls/server.pem")
        self.ca_file = tls / "ca.pem"

    # --- programs

    def run(self, *arguments):
        if not self.succeeds(*arguments):
            raise Lost(" ".join(arguments[:3]) + " failed")

    def succeeds(self, *arguments):
        with open(self.path / "log" / "setup.out", "ab") as log:
            try:
                return subprocess.run(arguments, cwd=self.path, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.clean_environment(), timeout=20, check=False).returncode == 0
            except subprocess.TimeoutExpired:
                return False

    @staticmethod
    def clean_environment():
        return {name: value for name, value in os.environ.items() if not name.startswith(("CEPH_", "PYTHON", "LD_PRELOAD", "AWS_"))}

    def launch(self, name, *arguments):
        with open(self.path / "log" / f"{name}.out", "ab") as log:
            self.daemons[name] = subprocess.Popen([*arguments, "-c", "ceph.conf", "-f"], cwd=self.path, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.clean_environment(),
                                                  start_new_session=True, preexec_fn=end_with_parent)

    def owns(self, name, port):
        """Whether that daemon itself listens there: another may have won a race for the port."""
        folder = f"/proc/{self.daemons[name].pid}/fd"
        sockets = set()
        with contextlib.suppress(OSError):
            for entry in os.listdir(folder):
                with contextlib.suppress(OSError):
                    sockets.add(os.readlink(f"{folder}/{entry}"))
        return any(f"socket:[{inode}]" in sockets for inode in listeners(port))

    def wait(self, daemon, condition):
        while not condition():
            if self.daemons[daemon].poll() is not None:
                raise Lost(f"{daemon} ended")
            if time.monotonic() > self.deadline:
                raise Lost(f"{daemon} is not ready in time")
            time.sleep(0.05)

    def last_words(self):
        return "\n".join(f"{path.name}: {path.read_text(errors='replace')[-500:]}" for path in sorted((self.path / "log").glob("*.out")))

    # --- what tests do to it

    @property
    def http(self):
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def https(self):
        return f"https://127.0.0.1:{self.https_port}"

    def kill_gateway(self):
        """As a crash: objects survive."""
        self.kill("rgw")

    def start_gateway(self):
        """On the ports it had."""
        self.deadline = time.monotonic() + PATIENCE
        self.launch("rgw", "radosgw", "-n", "client.rgw")
        self.wait_for_gateway()

    def kill(self, name):
        daemon = self.daemons.pop(name, None)
        if daemon is not None:
            daemon.kill()
            daemon.wait()

    def kill_all(self):
        for name in list(self.daemons):  # memory is all there is: nothing to save
            self.kill(name)

    def stop(self):
        self.kill_all()
        self.folder.cleanup()


def main():
    with Rgw() as server:
        environment = dict(os.environ, BACKSTAY_TEST_S3_HTTP=server.http, BACKSTAY_TEST_S3_HTTPS=server.https, BACKSTAY_TEST_S3_CA_FILE=str(server.ca_file),
                           BACKSTAY_TEST_S3_ACCESS_KEY=server.access_key, BACKSTAY_TEST_S3_SECRET_KEY=server.secret_key)
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
