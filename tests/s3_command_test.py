#!/usr/bin/env python3
"""The command with a repository in a bucket of a real S3 server: plain and over TLS, by several at once, with the server killed, and what
it says when it may not or cannot. s3_command_test.py COMMAND"""

import base64
import contextlib
import hashlib
import http.client
import http.server
import json
import os
import random
import shutil
import signal
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from command_line import run_all  # noqa: E402
import memory_folder  # noqa: E402
from postgres_server import PostgresServer, TOOLS, make_reachable, run_as_owner  # noqa: E402
from rgw import Rgw  # noqa: E402
from s3_client import S3Client  # noqa: E402
from tcp_proxy import TcpProxy  # noqa: E402

SERVER = None
NUMBERS = iter(range(1, 1000))


def client(access_key=None, secret_key=None):
    return S3Client(SERVER.http, access_key or SERVER.access_key, secret_key or SERVER.secret_key)


def use_bucket(place, tls=False, prefix="some/prefix"):
    """A bucket of its own; its name."""
    bucket = f"test-{next(NUMBERS)}"
    client().make_bucket(bucket)
    place.environment.update(SERVER.environment, BACKSTAY_REPOSITORY=f"s3+{SERVER.https if tls else SERVER.http}/{bucket}/{prefix}", no_proxy="*")
    return bucket


def make_files(folder, seed=1, count=40, largest=300_000):
    generator = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        sub = folder / f"folder {number % 3}"
        sub.mkdir(exist_ok=True)
        (sub / f"file {number}").write_bytes(generator.randbytes(generator.choice([0, 10, 5000, largest])))


def assert_restores(place, snapshot, live, copy=None):
    back = place.path / "back"
    shutil.rmtree(back, ignore_errors=True)
    place.run("restore", f"{snapshot}:{live}", "--to", back, "--verify")
    done = subprocess.run(["diff", "-r", copy or live, back], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def round_trip(place, bucket):
    live = place.path / "live"
    make_files(live)
    place.run("init")
    first = place.summary("backup", live)
    shutil.copytree(live, place.path / "first")
    make_files(live, seed=2, count=20)
    second = place.summary("backup", live)
    assert second["parent"] == first["snapshot"]
    assert_restores(place, first["snapshot"], live, place.path / "first")
    assert_restores(place, second["snapshot"], live)
    assert place.summary("check", "--read-data")["verdict"] == "ok"
    assert place.summary("scrub")["problems"] == 0
    assert place.summary("self-test", place.environment["BACKSTAY_REPOSITORY"])["exclusive_create"]
    assert not client().keys(bucket, "some/prefix/selftest-")
    before = client().keys(bucket)
    assert any(key.startswith("some/prefix/packs/") for key in before), before
    place.run("forget", "--keep-last", "1", "--group-by", "host")
    place.run("prune", "--max-unused", "0")
    after = client().keys(bucket)
    assert len([key for key in after if "/snapshots/" in key]) == 1, after
    assert set(before) - set(after), "prune removed nothing"
    assert not [key for key in after if "/tmp/" in key], after
    assert_restores(place, "latest", live)
    assert place.summary("check", "--read-data")["verdict"] == "ok"


def round_trip_on_plain_http(place):
    round_trip(place, use_bucket(place))


def round_trip_over_tls(place):
    round_trip(place, use_bucket(place, tls=True))


def an_authority_may_be_given_by_option(place):
    use_bucket(place, tls=True)
    ca_file = place.environment.pop("AWS_CA_BUNDLE")
    place.run("init", status=1)
    assert "authority that is not trusted" in place.stderr, place.stderr
    place.run("--s3-ca-file", ca_file, "init")


def a_pinned_key_is_demanded_beside_the_authority(place):
    use_bucket(place, tls=True)
    host, port = SERVER.https.removeprefix("https://").split(":")
    certificate = ssl.get_server_certificate((host, int(port)))
    key = subprocess.run(["openssl", "x509", "-pubkey", "-noout"], input=certificate.encode(), capture_output=True, check=True).stdout
    key = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=key, capture_output=True, check=True).stdout
    right, wrong = (f"sha256//{base64.b64encode(hashlib.sha256(data).digest()).decode()}" for data in (key, b"another"))
    place.run("--s3-pinned-key", right, "init")
    place.run("--s3-pinned-key", f"{wrong};{right}", "snapshots")
    place.run("--s3-pinned-key", wrong, "--s3-pinned-key", right, "snapshots")
    place.run("--s3-pinned-key", wrong, "snapshots", status=1)
    one_sentence(place, "another public key than the one pinned")
    place.run("--s3-pinned-key", right.removeprefix("sha256//"), "snapshots", status=2)
    one_sentence(place, "sha256//BASE64")


def keys_may_come_from_a_profile(place):
    use_bucket(place)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        del place.environment[name]
    place.run("init", status=1)
    assert "AWS_ACCESS_KEY_ID" in place.stderr, place.stderr
    (place.path / ".aws").mkdir()
    (place.path / ".aws" / "credentials").write_text(f"[backup]\naws_access_key_id = {SERVER.access_key}\naws_secret_access_key = {SERVER.secret_key}\n")
    place.run("--s3-profile", "backup", "init")
    place.run("snapshots", environment={"AWS_PROFILE": "backup"})


def several_writers_share_a_bucket(place):
    use_bucket(place)
    place.run("init")
    folders = [place.path / f"live {number}" for number in range(3)]
    for number, folder in enumerate(folders):
        make_files(folder, seed=number, count=60)
    processes = [place.start("--json", "backup", folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for folder in folders]
    snapshots = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        snapshots.append(json.loads(out.splitlines()[-1])["snapshot"])
    place.run("prune")
    for folder, snapshot in zip(folders, snapshots):
        assert_restores(place, snapshot, folder)
    assert place.summary("check", "--read-data")["verdict"] == "ok"


def of_several_inits_one_wins(place):
    use_bucket(place)
    processes = [place.start("init", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) for _ in range(4)]
    outcomes = []
    for process in processes:
        _, err = process.communicate(timeout=120)
        outcomes.append((process.returncode, err))
    assert sum(status == 0 for status, _ in outcomes) <= 1, outcomes
    if not any(status == 0 for status, _ in outcomes):
        return  # all saw each other and gave way, which leaves nothing behind
    place.run("snapshots")


def a_gateway_that_is_killed_and_comes_back_loses_nothing(place):
    use_bucket(place)
    live = place.path / "live"
    make_files(live, count=200, largest=1_500_000)
    place.run("init")
    kept = place.summary("backup", live / "folder 0")
    process = place.start("--json", "--limit-upload", "12MiB", "backup", live, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(2)
    assert process.poll() is None, process.communicate()
    SERVER.kill_gateway()
    time.sleep(3)  # so that everybody fails, some times
    SERVER.start_gateway()
    out, err = process.communicate(timeout=240)
    told = [json.loads(line) for line in out.splitlines() if b'"log"' in line]
    assert told and all(line["level"] == "warning" and "tried again" in line["message"] for line in told), out
    if process.returncode == 0:
        assert_restores(place, json.loads(out.splitlines()[-1])["snapshot"], live)
    else:
        assert b"bucket" in err, err
    assert place.summary("check", "--read-data")["verdict"] == "ok"
    assert_restores(place, kept["snapshot"], live / "folder 0")
    assert_restores(place, place.summary("backup", live)["snapshot"], live)


def a_limit_holds_from_the_first_byte_on(place):
    use_bucket(place)
    place.run("init")
    live = place.path / "live"
    live.mkdir()
    (live / "random").write_bytes(os.urandom(3 << 20))
    began = time.monotonic()
    snapshot = place.summary("--limit-upload", "1MiB", "backup", live)["snapshot"]
    assert 2.5 < time.monotonic() - began < 12
    began = time.monotonic()
    place.run("--limit-download", "1MiB", "restore", snapshot, "--to", place.path / "copy")
    assert 2.5 < time.monotonic() - began < 12


def postgresql_goes_into_a_bucket_and_comes_back(place):
    use_bucket(place)
    place.run("init")
    with PostgresServer(place.path / "server") as server:
        server.tool("pgbench", "-i", "-q", "-s", "2", "postgres")
        server.sql("create database second")
        server.sql("create table one as select g from generate_series(1, 1000) g", database="second")
        physical = place.summary("backup", "--postgres", server.conninfo(), "--method", "physical", "--checkpoint", "fast")["snapshot"]
        place.run("backup", "--postgres", server.conninfo(), "--method", "logical")
        server.sql("drop table one", database="second")
        place.run("restore", "latest", "--to-postgres", server.conninfo(), "--database", "second=third")
        assert server.value("select count(*) from one", database="third") == "1000"
    data = place.path / "restored" / "data"
    make_reachable(data)
    data.chmod(0o700)
    traffic = traffic_of(place, "restore", physical, "--to-postgres-directory", data)
    assert traffic["reads"] <= 45, traffic  # of some 100 frames
    run_as_owner(TOOLS / "pg_verifybackup", "-q", data)
    with PostgresServer(place.path / "restored", data=data) as copy:
        copy.wait_until("select not pg_is_in_recovery()", wait=60)
        assert copy.value("select count(*) from pgbench_accounts") == "200000"
        assert copy.value("select count(*) from one", database="second") == "1000"


def a_gateway_that_stays_away_is_a_clear_error(place):
    use_bucket(place)
    place.environment["BACKSTAY_REPOSITORY"] = "s3+http://127.0.0.1:9/bucket"
    began = time.monotonic()
    place.run("snapshots", status=1)
    assert "cannot connect" in place.stderr and "attempts" in place.stderr, place.stderr
    assert time.monotonic() - began < 60


def one_sentence(place, *expected):
    lines = place.stderr.strip().splitlines()
    assert len(lines) == 1, place.stderr
    for text in expected:
        assert text in lines[0], place.stderr


def what_is_wrong_is_said_in_one_sentence(place):
    bucket = use_bucket(place)
    place.run("init")
    place.run("snapshots", status=1, environment={"AWS_SECRET_ACCESS_KEY": "wrong"})
    one_sentence(place, "the secret key does not belong to the access key", "SignatureDoesNotMatch")
    place.run("snapshots", status=1, environment={"AWS_ACCESS_KEY_ID": "unknown"})
    one_sentence(place, "the server does not know the access key")
    place.run("snapshots", status=1, environment={"BACKSTAY_REPOSITORY": f"s3+{SERVER.http}/no-such-bucket"})
    one_sentence(place, "there is no bucket 'no-such-bucket': create it")
    place.run("snapshots", status=1, environment={"BACKSTAY_REPOSITORY": f"s3+{SERVER.http}/{bucket}/elsewhere"})
    one_sentence(place, "there is no repository at", "init")
    place.run("snapshots", status=2, environment={"BACKSTAY_REPOSITORY": "s3+http://me:geheim@host/bucket"})
    assert "geheim" not in place.stderr, place.stderr
    SERVER.add_user("stranger", "stranger-key", "stranger-secret")
    place.run("snapshots", status=1, environment={"AWS_ACCESS_KEY_ID": "stranger-key", "AWS_SECRET_ACCESS_KEY": "stranger-secret"})
    one_sentence(place, "AccessDenied", "permission")


def a_writer_who_may_not_delete_goes_on_making_backups(place):
    bucket = use_bucket(place)
    live = place.path / "live"
    make_files(live)
    place.run("init")
    SERVER.add_user("writer", "writer-key", "writer-secret")
    who = {"AWS": ["arn:aws:iam:::user/writer"]}
    # What the writer stored is the writer's, so its reading must be allowed to the bucket's owner, too.
    allow = [{"Effect": "Allow", "Principal": {"AWS": ["arn:aws:iam:::user/test"]}, "Action": ["s3:*"], "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]},
             {"Effect": "Allow", "Principal": who, "Action": ["s3:ListBucket"], "Resource": [f"arn:aws:s3:::{bucket}"]},
             {"Effect": "Allow", "Principal": who, "Action": ["s3:GetObject", "s3:PutObject"], "Resource": [f"arn:aws:s3:::{bucket}/*"]}]
    client().set_policy(bucket, json.dumps({"Version": "2012-10-17", "Statement": allow}))
    place.environment.update(AWS_ACCESS_KEY_ID="writer-key", AWS_SECRET_ACCESS_KEY="writer-secret")
    first = place.summary("backup", live)
    make_files(live, seed=2, count=10)
    second = place.summary("backup", live)
    assert second["parent"] == first["snapshot"]
    assert_restores(place, second["snapshot"], live)
    assert place.summary("check")["verdict"] == "ok"
    place.environment.update(SERVER.environment)  # the owner tidies up
    place.run("forget", "--keep-last", "1", "--group-by", "host")
    place.run("prune", "--max-unused", "0")
    assert_restores(place, second["snapshot"], live)
    assert place.summary("check", "--read-data")["verdict"] == "ok"


def a_bucket_with_versions_takes_backups_and_wants_alone_to_prune(place):
    bucket = use_bucket(place)
    client().set_versioning(bucket)
    live = place.path / "live"
    make_files(live)
    place.run("init")
    place.run("backup", live)
    snapshot = place.summary("backup", live)["snapshot"]
    place.run("forget", "--keep-last", "1", "--group-by", "host", status=1)
    assert "--alone" in place.stderr, place.stderr
    place.run("forget", "--alone", "--keep-last", "1", "--group-by", "host")
    place.run("prune", "--alone")
    assert_restores(place, snapshot, live)
    assert place.summary("check", "--read-data")["verdict"] == "ok"


def what_a_thief_deleted_and_replaced_can_be_restored(place):
    bucket = use_bucket(place)
    client().set_versioning(bucket)
    live = place.path / "live"
    make_files(live)
    place.run("init")
    place.run("backup", live)
    for number, key in enumerate(client().keys(bucket)):
        if number % 2:
            client().put(bucket, key, b"junk")
        else:
            client().delete(bucket, key)
    place.run("snapshots", status=1)
    shutil.rmtree(place.path / "cache", ignore_errors=True)
    place.run("--s3-versions", "oldest", "restore", f"latest:{live}", "--to", place.path / "back", "--verify")
    done = subprocess.run(["diff", "-r", live, place.path / "back"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def locks_are_put_on_all_that_is_stored(place):
    bucket = f"test-{next(NUMBERS)}"
    client().request("PUT", f"/{bucket}", headers={"x-amz-bucket-object-lock-enabled": "true"})
    place.environment.update(SERVER.environment, BACKSTAY_REPOSITORY=f"s3+{SERVER.http}/{bucket}", no_proxy="*")
    lock = ("--s3-lock-mode", "governance", "--s3-lock-days", "30")
    live = place.path / "live"
    make_files(live)
    place.run(*lock, "init")
    snapshot = place.summary(*lock, "backup", live)["snapshot"]
    retention = client().request("GET", f"/{bucket}/snapshots/{snapshot}", {"retention": ""}).decode()
    assert "GOVERNANCE" in retention, retention
    place.run(*lock, "check")
    assert "locks" not in place.stderr, place.stderr
    place.run(*lock, "prune", "--alone")
    assert_restores(place, snapshot, live)


def objects_sent_in_parts_are_locked_too(place):
    bucket = f"test-{next(NUMBERS)}"
    client().request("PUT", f"/{bucket}", headers={"x-amz-bucket-object-lock-enabled": "true"})
    place.environment.update(SERVER.environment, BACKSTAY_REPOSITORY=f"s3+{SERVER.http}/{bucket}", no_proxy="*")
    lock = ("--s3-lock-mode", "governance", "--s3-lock-days", "30")
    live = place.path / "live"
    live.mkdir()
    (live / "random").write_bytes(os.urandom(145 << 20))
    place.run(*lock, "init", "--pack-size", "256MiB")
    snapshot = place.summary(*lock, "--memory", "4GiB", "--threads", "1", "backup", live)["snapshot"]
    packs = [key for key in client().keys(bucket) if key.startswith("packs/")]
    sizes = [len(client().get(bucket, key)) for key in packs]
    assert max(sizes) > 128 << 20, sizes
    for key in packs:
        retention = client().request("GET", f"/{bucket}/{key}", {"retention": ""}).decode()
        assert "GOVERNANCE" in retention, (key, retention)
    place.run(*lock, "check", "--read-data")
    assert "locks" not in place.stderr, place.stderr
    assert_restores(place, snapshot, live)


def a_bucket_can_be_tried_before_it_holds_anything(place):
    bucket = use_bucket(place)
    assert b"not honoured" not in place.run("self-test", place.environment["BACKSTAY_REPOSITORY"])
    assert client().keys(bucket) == [], client().keys(bucket)
    client().set_versioning(bucket)
    assert b"If-None-Match" in place.run("self-test", place.environment["BACKSTAY_REPOSITORY"])


def requests_seen():
    """How many the server logged."""
    time.sleep(0.3)
    return (SERVER.path / "log" / "client.rgw.log").read_text(errors="replace").count('HTTP/1.1"')


def traffic_of(place, *arguments):
    records = place.json(*arguments)
    assert records[-1]["type"] == "summary" and records[-2]["type"] == "traffic", records
    return records[-2]


def requests_are_few_and_counted_as_the_server_counts_them(place):
    bucket = use_bucket(place)
    live = place.path / "live"
    make_files(live, count=60, largest=2_000_000)
    place.run("init", "--pack-size", "8MiB")
    before = requests_seen()
    traffic = traffic_of(place, "backup", live)
    made = traffic["writes"] + traffic["reads"] + traffic["removes"]
    assert requests_seen() - before == made, (traffic, requests_seen() - before)
    packs = len([key for key in client().keys(bucket) if "/packs/" in key])
    assert packs >= 4 and made <= 1.05 * packs + 20, (traffic, packs)
    assert traffic["retries"] == 0 and traffic["bytes_sent"] > 20_000_000 and traffic["cost_millionths"] > 0, traffic
    place.run("snapshots")
    again = traffic_of(place, "snapshots")
    assert again["reads"] == 3 and again["writes"] == 2, again  # what sorts before packs/ and what snapshots/ holds; config, slot, keyring
    place.run("-v", "snapshots")
    assert "requests: 2 writes, 3 reads" in place.stderr and "$" in place.stderr, place.stderr
    assert len([line for line in place.stderr.splitlines() if line.startswith("GET http")]) == 5, place.stderr
    assert SERVER.secret_key not in place.stderr and "Signature" not in place.stderr, place.stderr
    nothing_new = traffic_of(place, "backup", live)
    made = nothing_new["writes"] + nothing_new["reads"] + nothing_new["removes"]
    assert made <= 20, nothing_new
    listed = traffic_of(place, "ls", "latest")
    # The frames of its tree are one or two more where the second backup found the files' change tokens old enough to keep.
    assert listed["writes"] + listed["reads"] <= 15, listed


def what_is_interrupted_ends_though_the_server_is_silent(place):
    bucket = use_bucket(place)
    live = place.path / "live"
    live.mkdir()
    (live / "large").write_bytes(random.Random(1).randbytes(48 << 20))
    place.run("init", "--pack-size", "8MiB")
    place.run("backup", live)
    (live / "other").write_bytes(random.Random(2).randbytes(48 << 20))
    slowly = ["--limit-upload", "8MiB", "--limit-download", "8MiB"]
    for words in (["backup", live], ["restore", f"latest:{live}", "--to", place.path / "back"], ["check", "--read-data"], ["init", "-r", f"s3+{SERVER.http}/{bucket}/other"], ["self-test", f"s3+{SERVER.http}/{bucket}/other"]):
        with TcpProxy(SERVER.http_port) as proxy:
            place.environment["BACKSTAY_REPOSITORY"] = f"s3+http://127.0.0.1:{proxy.port}/{bucket}/some/prefix"
            words = [str(word).replace(SERVER.http, f"http://127.0.0.1:{proxy.port}") for word in words]
            if words[0] in ("init", "self-test"):
                proxy.fall_silent()
            process = place.start(*words, *slowly, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            time.sleep(2)
            proxy.fall_silent()
            assert process.poll() is None, (words, process.stderr.read())
            process.send_signal(signal.SIGINT)
            interrupted = time.monotonic()
            _, told = process.communicate(timeout=60)
            assert process.returncode == 4, (words, process.returncode, told)
            assert time.monotonic() - interrupted < 3, (words, time.monotonic() - interrupted)  # 0.2 s where nobody else uses the machine
    place.environment["BACKSTAY_REPOSITORY"] = f"s3+{SERVER.http}/{bucket}/some/prefix"
    place.run("backup", live)
    assert_restores(place, "latest", live)


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """A server that knows better where the bucket is."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"<Error><Code>PermanentRedirect</Code><Message>Go away.</Message><Bucket>bucket</Bucket></Error>"
        self.send_response(301)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amz-bucket-region", "eu-west-1")
        self.send_header("x-amz-request-id", "7Q")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(handler, context=None):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Glacier(http.server.BaseHTTPRequestHandler):
    """In front of the real server, which has no archive: objects in `looks` lie in one, and are out when they have been looked at so often."""

    protocol_version = "HTTP/1.1"
    looks = {}  # path: None until it is asked for
    tiers = []

    def answer(self):
        path, _, query = self.path.partition("?")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        left = self.looks.get(path, 0)
        if query == "restore=":
            self.tiers.append(body.decode().split("<Tier>")[1].split("<")[0])
            self.looks[path] = 2
            self.reply(202, [], b"")
        elif self.command == "GET" and left != 0:
            self.reply(403, [], b"<Error><Code>InvalidObjectState</Code><Message>Brr.</Message></Error>")
        else:
            self.pass_on(path, left, body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = answer

    def pass_on(self, path, left, body):
        behind = http.client.HTTPConnection(SERVER.http.removeprefix("http://"))
        behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # as they were signed
            behind.putheader(name, value)
        behind.endheaders(body)
        reply = behind.getresponse()
        headers = [(name, value) for name, value in reply.getheaders() if name.lower() not in ("content-length", "connection", "transfer-encoding")]
        if self.command == "HEAD" and path in self.looks:
            headers.append(("x-amz-storage-class", "GLACIER"))
            if left is not None:
                headers.append(("x-amz-restore", f'ongoing-request="{"true" if left else "false"}"'))
                self.looks[path] = max(left - 1, 0)
        self.reply(reply.status, headers, reply.read(), reply.getheader("Content-Length"))
        behind.close()

    def reply(self, status, headers, body, size=None):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", size or str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def packs_in_an_archive_are_thawed_and_restored(place):
    bucket = use_bucket(place)
    live = place.path / "live"
    make_files(live, count=30, largest=400_000)
    place.run("init")
    place.run("backup", live)
    sizes = {key: len(client().get(bucket, key)) for key in client().keys(bucket) if "/packs/" in key}
    archived = [key for key, size in sizes.items() if size > 1_000_000]
    assert archived and len(archived) < len(sizes), sizes
    restore = ("restore", f"latest:{live}", "--to", place.path / "back")
    with serving(Glacier) as port:
        place.environment["BACKSTAY_REPOSITORY"] = f"s3+http://127.0.0.1:{port}/{bucket}/some/prefix"
        Glacier.looks.update({f"/{bucket}/{key}": None for key in archived})
        place.run(*restore, status=1)
        one_sentence(place, "archive storage class", "--thaw")
        place.run(*restore, "--thaw-tier", "bulk", status=2)
        place.run(*restore, "--thaw", "ask", "--dry-run")
        told = f"{len(archived)} of {len(archived)} packs of data"
        assert told in place.stderr and ") in the archive" in place.stderr and not Glacier.tiers, place.stderr
        shutil.rmtree(place.path / "back", ignore_errors=True)
        place.run(*restore, "--thaw", "ask", "--thaw-tier", "bulk", status=1)
        assert "run the same again later" in place.stderr and not (place.path / "back").exists(), place.stderr
        assert Glacier.tiers == ["Bulk"] * len(archived), Glacier.tiers
        place.run("cat", f"latest:{max(live.rglob('file *'), key=lambda file: file.stat().st_size)}", status=1)
        assert "archive storage class" in place.stderr, place.stderr
        unread = [record for record in place.json("check", "--read-data", status=3) if record["type"] == "problem"]
        assert sorted(record["object"] for record in unread) == sorted(key.removeprefix("some/prefix/") for key in archived), unread
        assert {record["code"] for record in unread} == {"denied"}, unread
        records = place.json(*restore, "--thaw", "wait", "--verify")
        thaws = [record for record in records if record["type"] == "thaw" and record["contents"] == "data"]
        assert thaws[0]["packs_thawing"] == len(archived) and thaws[-1]["packs_thawing"] == 0, thaws
        assert records[-1]["verdict"] == "ok" and len(Glacier.tiers) == len(archived), records
    done = subprocess.run(["diff", "-r", live, place.path / "back"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def a_region_that_stays_wrong_is_named(place):
    use_bucket(place)
    with serving(Elsewhere) as port:
        place.run("snapshots", status=2, environment={"BACKSTAY_REPOSITORY": f"s3+http://127.0.0.1:{port}/bucket"})
    one_sentence(place, "the bucket is in the region eu-west-1: give that region", "7Q")


def an_expired_certificate_is_said_to_be_expired(place):
    use_bucket(place)
    key, certificate, request = (place.path / name for name in ("key.pem", "certificate.pem", "request.pem"))
    for arguments in (["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", request],
                      ["x509", "-req", "-in", request, "-signkey", key, "-days", "-1", "-out", certificate]):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(Elsewhere, context) as port:
        place.run("snapshots", status=1, environment={"BACKSTAY_REPOSITORY": f"s3+https://127.0.0.1:{port}/bucket", "AWS_CA_BUNDLE": str(certificate)})
    one_sentence(place, "expired")


TESTS = [
    round_trip_on_plain_http,
    round_trip_over_tls,
    an_authority_may_be_given_by_option,
    a_pinned_key_is_demanded_beside_the_authority,
    keys_may_come_from_a_profile,
    several_writers_share_a_bucket,
    of_several_inits_one_wins,
    a_gateway_that_is_killed_and_comes_back_loses_nothing,
    a_limit_holds_from_the_first_byte_on,
    postgresql_goes_into_a_bucket_and_comes_back,
    a_gateway_that_stays_away_is_a_clear_error,
    what_is_wrong_is_said_in_one_sentence,
    a_writer_who_may_not_delete_goes_on_making_backups,
    a_bucket_with_versions_takes_backups_and_wants_alone_to_prune,
    what_a_thief_deleted_and_replaced_can_be_restored,
    a_bucket_can_be_tried_before_it_holds_anything,
    locks_are_put_on_all_that_is_stored,
    objects_sent_in_parts_are_locked_too,
    requests_are_few_and_counted_as_the_server_counts_them,
    what_is_interrupted_ends_though_the_server_is_silent,
    packs_in_an_archive_are_thawed_and_restored,
    a_region_that_stays_wrong_is_named,
    an_expired_certificate_is_said_to_be_expired,
]

if __name__ == "__main__":
    memory_folder.use()
    with Rgw() as SERVER:
        result = run_all([test for test in TESTS if len(sys.argv) < 3 or test.__name__ in sys.argv[2:]], sys.argv[1])
    sys.exit(result)
