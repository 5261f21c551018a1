#!/usr/bin/env python3
"""Physical backups of real PostgreSQL servers, and what comes out of them.

    postgres_physical_test.py COMMAND [VERSION…]"""

import os
import resource
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))

from cluster_checks import demand_fitting_manifest, demand_right_checksums, demand_sound_tables  # noqa: E402  pylint: disable=wrong-import-position
from command_line import run_all  # noqa: E402  pylint: disable=wrong-import-position
import memory_folder  # noqa: E402  pylint: disable=wrong-import-position
from small_disk import small_disk  # noqa: E402  pylint: disable=wrong-import-position
from postgres_server import PostgresServer, TOOLS, binaries, free_port, give_to_owner, make_reachable, run_as_owner  # noqa: E402  pylint: disable=wrong-import-position
from tcp_proxy import TcpProxy  # noqa: E402  pylint: disable=wrong-import-position

VERSIONS = ["13", "15", "17", "18"]
SUMS = "select (select sum(abalance) from pgbench_accounts) || ' ' || (select sum(bbalance) from pgbench_branches) || ' ' || " \
       "(select sum(tbalance) from pgbench_tellers) || ' ' || (select coalesce(sum(delta), 0) from pgbench_history)"


def back_up(place, server, *more, status=0):
    return place.summary("backup", "--postgres", server.conninfo(), "--checkpoint", "fast", *more, status=status)


def empty_folder(path):
    """A folder that the servers' user owns: so do the files that are restored into it."""
    make_reachable(path)
    path.chmod(0o700)
    return path


def restored(place, version, *more, snapshot="latest", name="restored"):
    """A server on a restored cluster, not started yet."""
    folder = place.path / name
    make_reachable(folder)
    data = empty_folder(folder / "data")
    place.run("restore", snapshot, "--to-postgres-directory", data, *more)
    return PostgresServer(folder, version, data=data)


def recovered(server):
    """Waits for the end of recovery: hot standbys answer before."""
    server.wait_until("select not pg_is_in_recovery()", wait=60)
    return server


def demand_equal_sums(server):
    sums = set(server.value(SUMS).split())
    assert len(sums) == 1, f"the four sums of pgbench differ: {sums}"


def demand_nothing_left(server):
    server.wait_until("select count(*) = 0 from pg_replication_slots", wait=10)
    server.wait_until("select count(*) = 0 from pg_stat_replication", wait=10)


def fill(server, scale=2):
    server.tool("pgbench", "-i", "-q", "-s", str(scale), "postgres")


def cycle(place, version):
    spaces = [empty_folder(place.path / "space one"), empty_folder(place.path / "space2")]
    with PostgresServer(place.path / "server", version) as server:
        fill(server)
        server.sql(f"create tablespace one location '{spaces[0]}'")
        server.sql(f"create tablespace two location '{spaces[1]}'")
        server.sql("create table elsewhere tablespace one as select g, repeat('x', 50) as text from generate_series(1, 20000) g")
        server.sql("create index on elsewhere (g) tablespace two")
        # At a bounded rate: a quick machine would write as much log as there is data.
        load = server.pgbench("-c", 4, "-T", 60, "-n", "-R", 300)
        try:
            time.sleep(0.5)
            first = back_up(place, server)
            second = back_up(place, server)
        finally:
            load.terminate()
            load.wait()
        demand_nothing_left(server)
        assert first["snapshot"] and first["bytes_source"] > 30 << 20, first
        assert second["parent"] == first["snapshot"] and second["bytes_new"] < first["bytes_new"] * 0.8, (first, second)
    moved = [place.path / "moved one", place.path / "moved two"]
    for folder in moved:
        empty_folder(folder)
    mapping = ["--map-tablespace", f"{spaces[0]}={moved[0]}", "--map-tablespace", f"{spaces[1]}={moved[1]}"]
    copy = restored(place, version, *mapping, "--verify")
    assert oct(copy.data.stat().st_mode)[-3:] == "700"
    demand_fitting_manifest(copy.data, version)
    with copy:
        recovered(copy)
        demand_equal_sums(copy)
        assert copy.value("select count(*) from elsewhere") == "20000"
        demand_sound_tables(copy)
        copy.sql("insert into elsewhere values (0, 'written')")
        copy.stop(signal.SIGINT)
    demand_right_checksums(copy.data, version)


def cycle_of(version):
    def test(place):
        place.run("init")
        cycle(place, version)
    test.__name__ = f"a_backup_of_{version}_under_load_comes_back_whole"
    return test


def only_what_changed_is_stored_again(place):
    place.run("init")
    with PostgresServer(place.path / "server") as server:
        fill(server, 5)
        server.sql("vacuum freeze; checkpoint")
        first = back_up(place, server)
        server.sql("update pgbench_accounts set abalance = 1 where aid in (7, 70000, 140000)")
        second = back_up(place, server)
        assert second["bytes_new"] < first["bytes_new"] / 2, (first["bytes_new"], second["bytes_new"])


def a_cluster_comes_back_as_it_was_at_a_point_in_time(place):
    place.run("init")
    archive = empty_folder(place.path / "archive")
    with PostgresServer(place.path / "server", settings=["archive_mode = on", f"archive_command = 'cp %p {archive}/%f'"]) as server:
        server.sql("create table witness (n int, at timestamptz default clock_timestamp())")
        back_up(place, server)
        targets = {}
        for n, kind in enumerate(("target-name", "target-time", "target-lsn", "target-xid"), 1):
            if kind == "target-xid":
                targets[kind] = (n, server.value(f"begin; insert into witness values ({n}); select pg_current_xact_id(); commit"))
                continue
            server.sql(f"insert into witness values ({n})")
            time.sleep(0.05)
            query = {"target-name": "select pg_create_restore_point('here')", "target-time": "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
                     "target-lsn": "select pg_current_wal_insert_lsn()"}[kind]
            got = server.value(query)
            targets[kind] = (n, "here" if kind == "target-name" else got)
            time.sleep(0.05)
        server.sql("insert into witness values (99)")
        server.sql("select pg_switch_wal()")
        server.wait_until("select count(*) > 0 from pg_stat_archiver where last_archived_wal >= pg_walfile_name(pg_current_wal_lsn() - 1)")
    for kind, (count, value) in targets.items():
        with restored(place, "15", f"--{kind}", value, "--restore-command", f"cp {archive}/%f %p", name=kind) as copy:
            recovered(copy)
            got = copy.value("select string_agg(n::text, ' ' order by n) from witness")
            wanted = " ".join(str(n) for n in range(1, count + 1))
            assert got == wanted, f"{kind} {value}: {got}, not {wanted}"
            assert copy.value("show archive_mode") == "off"
    with restored(place, "15", "--immediate", name="immediate") as copy:
        recovered(copy)
        assert copy.value("select count(*) from witness") == "0"

    def refused(*arguments):
        folder = empty_folder(place.path / "refused")
        place.run("restore", "latest", "--to-postgres-directory", folder, *arguments, status=1)
        assert not list(folder.iterdir())
        return place.stderr

    command = ["--restore-command", f"cp {archive}/%f %p"]
    assert "cannot be reached" in refused("--target-lsn", "0/1000000", *command)
    assert "take an earlier one" in refused("--target-time", "2001-01-01T00:00:00Z", *command)
    assert "restore command" in refused("--target-name", "here")
    assert "restore command" in refused("--target-lsn", "F/0")
    assert "one target" in refused("--target-name", "here", "--immediate")


def moment(place, version):
    archive = empty_folder(place.path / "archive")
    with PostgresServer(place.path / "server", version, settings=["archive_mode = on", f"archive_command = 'cp %p {archive}/%f'"]) as server:
        fill(server)
        server.sql("create table witness (n int)")
        load = server.pgbench("-c", 4, "-T", 60, "-n", "-R", 300)
        try:
            back_up(place, server)
            server.sql("insert into witness values (1)")
            time.sleep(0.05)
            then = server.value("select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')")
            time.sleep(0.05)
            server.sql("insert into witness values (2)")
            time.sleep(0.5)
        finally:
            load.terminate()
            load.wait()
        done = server.value("select count(*) from pgbench_history")
        last = server.value("select pg_walfile_name(pg_switch_wal())")
        server.wait_until(f"select count(*) > 0 from pg_stat_archiver where last_archived_wal >= '{last}'")
    copy = restored(place, version, "--target-time", then, "--restore-command", f"cp {archive}/%f %p")
    demand_fitting_manifest(copy.data, version)
    with copy:
        recovered(copy)
        demand_equal_sums(copy)
        assert copy.value("select string_agg(n::text, ' ') from witness") == "1"
        assert 0 < int(copy.value("select count(*) from pgbench_history")) < int(done)
        demand_sound_tables(copy)
        copy.stop(signal.SIGINT)
    demand_right_checksums(copy.data, version)


def moment_of(version):
    def test(place):
        place.run("init")
        moment(place, version)
    test.__name__ = f"a_cluster_of_{version}_comes_back_whole_as_it_was_at_a_moment"
    return test


def a_standby_can_be_backed_up(place):
    place.run("init")
    with PostgresServer(place.path / "server") as server:
        fill(server)
        data = place.path / "standby" / "data"
        make_reachable(data.parent)
        run_as_owner(TOOLS / "pg_basebackup", "-D", data, "-R", "-c", "fast", "-d", server.conninfo())
        with PostgresServer(data.parent, data=data) as standby:
            load = server.pgbench("-c", 2, "-T", 60, "-n")
            try:
                standby.wait_until("select pg_last_wal_receive_lsn() is not null")
                time.sleep(0.5)
                back_up(place, standby)
            finally:
                load.terminate()
                load.wait()
            demand_nothing_left(standby)
    with restored(place, "15") as copy:
        recovered(copy)
        demand_equal_sums(copy)


def damaged_pages_are_named_and_the_snapshot_is_kept(place):
    place.run("init")
    with PostgresServer(place.path / "server") as server:
        fill(server)
        path = server.data / server.value("select pg_relation_filepath('pgbench_accounts')")
        server.stop()
        with open(path, "r+b") as file:
            for block in (3, 1000):
                file.seek(block * 8192 + 4000)
                byte = file.read(1)
                file.seek(-1, os.SEEK_CUR)
                file.write(bytes([byte[0] ^ 0x10]))
        server.start()
        records = place.json("backup", "--postgres", server.conninfo(), "--checkpoint", "fast", status=3)
        problems = [record for record in records if record["type"] == "problem"]
        relative = "data/" + str(path.relative_to(server.data))
        assert any(problem["path"] == relative and "block 3 " in problem["message"] and "block 1000 " in problem["message"] for problem in problems), problems
        source, = [record for record in records if record["type"] == "source"]
        assert source["verdict"] == "damaged" and records[-1]["snapshot"], records
        demand_nothing_left(server)


def demand_no_snapshot(place):
    assert place.summary("snapshots")["snapshots"] == 0
    place.run("check")


def slow_backup(place, server, port=None):
    """A backup that takes half a minute or more, running."""
    conninfo = server.conninfo() if port is None else server.conninfo().replace(f"port={server.port}", f"port={port}")
    process = place.start("--json", "backup", "--postgres", conninfo, "--checkpoint", "fast", "--max-rate", "1MiB", stdout=-1, stderr=-1)
    server.wait_until("select count(*) = 2 from pg_stat_replication", wait=20)
    time.sleep(0.7)
    assert process.poll() is None, process.communicate()
    return process


def demand_ended(process, status, within):
    begin = time.monotonic()
    try:
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    seconds = time.monotonic() - begin
    assert process.returncode == status, (process.returncode, out, err)
    assert seconds < within, f"it took {seconds} s to end"
    return out.decode() + err.decode()


def an_interrupt_ends_a_backup_within_two_seconds(place):
    place.run("init")
    with PostgresServer(place.path / "server") as server:
        fill(server)
        process = slow_backup(place, server)
        process.send_signal(signal.SIGINT)
        demand_ended(process, 4, 2)
        demand_nothing_left(server)
    demand_no_snapshot(place)


def a_wait_for_a_checkpoint_can_be_interrupted(place):
    place.run("init")
    with PostgresServer(place.path / "server", settings=["checkpoint_timeout = 1h", "checkpoint_completion_target = 1.0"]) as server:
        fill(server)
        process = place.start("--json", "backup", "--postgres", server.conninfo(), stdout=-1, stderr=-1)
        server.wait_until("select count(*) = 1 from pg_stat_activity where backend_type = 'walsender' and state = 'active'", wait=20)
        time.sleep(0.5)
        assert process.poll() is None, process.communicate()
        process.send_signal(signal.SIGINT)
        demand_ended(process, 4, 2)
        demand_nothing_left(server)
    demand_no_snapshot(place)


def an_archiver_that_hangs_does_not_hold_a_backup_up(place):
    place.run("init")
    with PostgresServer(place.path / "server", settings=["archive_mode = on", "archive_command = 'sleep 600'"]) as server:
        fill(server)
        begin = time.monotonic()
        back_up(place, server)
        assert time.monotonic() - begin < 30
        demand_nothing_left(server)


def a_promotion_ends_the_backup_of_a_standby(place):
    place.run("init")
    with PostgresServer(place.path / "server") as server:
        fill(server)
        data = place.path / "standby" / "data"
        make_reachable(data.parent)
        run_as_owner(TOOLS / "pg_basebackup", "-D", data, "-R", "-c", "fast", "-d", server.conninfo())
        with PostgresServer(data.parent, data=data) as standby:
            standby.wait_until("select pg_last_wal_receive_lsn() is not null")
            process = slow_backup(place, standby)
            standby.sql("select pg_promote()")
            demand_ended(process, 1, 30)
            demand_nothing_left(standby)
    demand_no_snapshot(place)


def only_the_server_that_the_certificate_names_is_believed(place):
    place.run("init")
    with PostgresServer(place.path / "server", hba=["hostssl all all 127.0.0.1/32 trust", "hostssl replication all 127.0.0.1/32 trust", "local all all trust"]) as server:
        for name, key in (("right", server.data / "server.key"), ("wrong", place.path / "wrong.key")):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                            "-keyout", key, "-out", place.path / f"{name}.crt"], check=True, capture_output=True)
        shutil.copy(place.path / "right.crt", server.data / "server.crt")
        for file in (server.data / "server.crt", server.data / "server.key"):
            file.chmod(0o600)
            give_to_owner(file)
        server.stop()
        with open(server.data / "postgresql.conf", "a", encoding="utf-8") as configuration:
            configuration.write("ssl = on\n")
        server.start()
        secure = server.conninfo() + f" sslmode=verify-full sslrootcert={place.path}"
        place.run("backup", "--postgres", secure + "/right.crt", "--checkpoint", "fast")
        place.run("backup", "--postgres", secure + "/wrong.crt", "--checkpoint", "fast", status=1)
        assert "certificate verify failed" in place.stderr, place.stderr
        place.run("backup", "--postgres", server.conninfo() + " sslmode=disable", "--checkpoint", "fast", status=1)
        assert "pg_hba.conf" in place.stderr, place.stderr
        demand_nothing_left(server)


def a_restore_that_cannot_be_finished_leaves_nothing(place):
    place.run("init")
    space = empty_folder(place.path / "space")
    with PostgresServer(place.path / "server") as server:
        fill(server)
        server.sql(f"create tablespace one location '{space}'")
        back_up(place, server)
    there = empty_folder(place.path / "there")
    moved = place.path / "moved"
    limit = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5 << 20, 5 << 20))}  # as a full disk is: some files go, larger ones do not
    process = place.start("restore", "latest", "--to-postgres-directory", there, "--map-tablespace", f"{space}={moved}", stdout=-1, stderr=-1, **limit)
    demand_ended(process, 1, 30)
    assert not list(there.iterdir()) and not moved.exists()
    with small_disk(place.path / "disk", 20) as mounted:
        if not mounted:
            print("needs the right to mount: not tried")
            return
        place.run("restore", "latest", "--to-postgres-directory", place.path / "disk" / "there", "--map-tablespace", f"{space}={moved}", status=1)
        assert "No space left" in place.stderr, place.stderr
        assert not list((place.path / "disk").iterdir()) and not moved.exists()


def a_restored_cluster_can_be_started_right_away(place):
    place.run("init")
    with PostgresServer(place.path / "server") as server:
        fill(server)
        back_up(place, server)
    for version, options, status in (("15", "-p {port}", 0), ("15", "-c nonsense=1", 1)):
        data = empty_folder(place.path / f"started{status}" / "data")
        port = free_port()
        options = options.format(port=port) + f" -c listen_addresses=127.0.0.1 -c unix_socket_directories={data}"
        place.run("restore", "latest", "--to-postgres-directory", data, "--start", "--start-options", options, status=status)
        if status == 0:
            try:
                rows = run_as_owner(TOOLS / "psql", "-X", "-A", "-t", "-h", "127.0.0.1", "-p", str(port), "-U", "postgres", "-c", SUMS)
                assert len(set(rows.split())) == 1, rows
            finally:
                run_as_owner(TOOLS / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        else:
            assert "nonsense" in place.stderr and (data / "PG_VERSION").exists(), place.stderr
    place.run("restore", "latest", "--to-postgres-directory", place.path / "other", "--start", "--postgres-programs", binaries("17"), status=1)
    assert "15" in place.stderr and not (place.path / "other").exists(), place.stderr


def a_killed_backup_leaves_neither_slot_nor_snapshot(place):
    place.run("init")
    with PostgresServer(place.path / "server") as server:
        fill(server)
        process = slow_backup(place, server)
        process.kill()
        process.communicate()
        demand_nothing_left(server)
        demand_no_snapshot(place)
        back_up(place, server)


def a_killed_walsender_ends_the_backup(place):
    place.run("init")
    with PostgresServer(place.path / "server") as server:
        fill(server)
        process = slow_backup(place, server)
        pid = server.value("select pid from pg_stat_replication where state = 'backup'")
        os.kill(int(pid), signal.SIGKILL)
        text = demand_ended(process, 1, 10)
        assert "lost" in text or "closed" in text, text
    demand_no_snapshot(place)


def a_terminated_log_receiver_ends_the_backup(place):
    place.run("init")
    with PostgresServer(place.path / "server") as server:
        fill(server)
        process = slow_backup(place, server)
        server.sql("select pg_terminate_backend(pid) from pg_stat_replication where state <> 'backup'")
        demand_ended(process, 1, 10)
        demand_nothing_left(server)
    demand_no_snapshot(place)


def a_killed_server_ends_the_backup(place):
    place.run("init")
    with PostgresServer(place.path / "server") as server:
        fill(server)
        process = slow_backup(place, server)
        server.stop(signal.SIGKILL)
        demand_ended(process, 1, 10)
    demand_no_snapshot(place)


def a_cut_network_ends_the_backup(place):
    place.run("init")
    with PostgresServer(place.path / "server") as server, TcpProxy(server.port) as proxy:
        fill(server)
        process = slow_backup(place, server, proxy.port)
        proxy.cut()
        text = demand_ended(process, 1, 10)
        assert "lost" in text or "closed" in text, text
        demand_nothing_left(server)
    demand_no_snapshot(place)


def a_slot_that_is_lost_at_the_start_is_explained_and_the_next_backup_works(place):
    """More was written since the last checkpoint than max_slot_wal_keep_size: the backup's own checkpoint ends its slot."""
    place.run("init")
    with PostgresServer(place.path / "server", settings=["max_slot_wal_keep_size = 32MB", "max_wal_size = 2GB", "checkpoint_timeout = 1h"]) as server:
        server.sql("create table written as select g, repeat('x', 200) from generate_series(1, 400000) g")
        backup = ("backup", "--postgres", server.conninfo(), "--method", "physical", "--checkpoint", "fast")
        place.run(*backup, status=1)
        assert "max_slot_wal_keep_size (32MB)" in place.stderr and "begin again at once with a fast checkpoint" in place.stderr, place.stderr
        place.run(*backup)


def a_log_that_falls_too_far_behind_ends_the_backup(place):
    """The server keeps no more of it than max_slot_wal_keep_size."""
    place.run("init")
    with PostgresServer(place.path / "server", settings=["max_slot_wal_keep_size = 48MB"]) as server, TcpProxy(server.port) as proxy:
        fill(server)
        server.sql("checkpoint")
        process = slow_backup(place, server, proxy.port)
        proxy.slow_down(1)  # the log's
        server.sql("create table log (text text); insert into log select repeat(md5(g::text), 30) from generate_series(1, 100000) g; checkpoint")
        text = demand_ended(process, 1, 30)
        assert "terminating process" in server.log_text(), server.log_text()[-2000:]
        assert "max_slot_wal_keep_size" in text, text
        demand_nothing_left(server)
    demand_no_snapshot(place)


def a_backup_that_stood_still_for_too_long_says_so(place):
    """The server lets go of who does not answer, and of the slot that kept its log."""
    place.run("init")
    with PostgresServer(place.path / "server", settings=["wal_sender_timeout = 2s"]) as server:
        fill(server)
        process = slow_backup(place, server)
        process.send_signal(signal.SIGSTOP)
        server.wait_until("select count(*) = 0 from pg_replication_slots", wait=20)
        process.send_signal(signal.SIGCONT)
        demand_ended(process, 1, 10)
        demand_nothing_left(server)
    demand_no_snapshot(place)


def what_a_server_refuses_is_told_with_advice(place):
    place.run("init")
    hba = ["local all all trust", "host all postgres 127.0.0.1/32 trust", "host all all 127.0.0.1/32 scram-sha-256", "host replication postgres 127.0.0.1/32 trust",
           "host replication all 127.0.0.1/32 scram-sha-256"]
    with PostgresServer(place.path / "server", settings=["max_wal_senders = 1"], hba=hba) as server:
        server.sql("create role taker login replication password 'right'; create role nobody login password 'right'")

        def refused(user, password):
            environment = {"PGPASSWORD": password} if password else {"PGPASSFILE": "/nowhere"}
            place.run("backup", "--postgres", server.conninfo(user), "--checkpoint", "fast", status=1, environment=environment)
            return place.stderr

        assert "asks for a password" in refused("taker", None), place.stderr
        assert "password authentication failed" in refused("taker", "wrong"), place.stderr
        assert "REPLICATION" in refused("nobody", "right"), place.stderr
        assert "max_wal_senders" in refused("taker", "right"), place.stderr
        for conninfo in (server.conninfo() + " password=secret", f"postgresql://postgres:secret@127.0.0.1:{server.port}/"):
            place.run("backup", "--postgres", conninfo, status=2)
            assert "pgpass" in place.stderr and "secret" not in place.stderr, place.stderr
        demand_nothing_left(server)
    with PostgresServer(place.path / "minimal", settings=["max_wal_senders = 4", "max_replication_slots = 0"]) as server:
        place.run("backup", "--postgres", server.conninfo(), "--checkpoint", "fast", status=1)
        assert "max_replication_slots" in place.stderr, place.stderr
    demand_no_snapshot(place)


def a_role_with_the_replication_right_suffices(place):
    place.run("init")
    with PostgresServer(place.path / "server") as server:
        server.sql("create role taker login replication")
        place.run("backup", "--postgres", server.conninfo("taker"), "--checkpoint", "fast")
        demand_nothing_left(server)


def a_restore_overwrites_nothing(place):
    place.run("init")
    space = empty_folder(place.path / "space")
    with PostgresServer(place.path / "server") as server:
        server.sql(f"create tablespace one location '{space}'")
        back_up(place, server)
        filled = empty_folder(place.path / "filled")
        (filled / "precious").write_text("still here")
        place.run("restore", "latest", "--to-postgres-directory", filled, "--map-tablespace", f"{space}={place.path}/other", status=1)
        assert os.listdir(filled) == ["precious"] and not (place.path / "other").exists()
        # Where the tablespace was it still is.
        place.run("restore", "latest", "--to-postgres-directory", place.path / "new", status=1)
        assert "conflict" in place.stderr or "overwrite" in place.stderr, place.stderr
        assert not (place.path / "new").exists()
        place.run("restore", "latest", "--to-postgres-directory", place.path / "new", "--map-tablespace", "/nowhere=/elsewhere", status=1)
        assert str(space) in place.stderr
        place.run("restore", "latest:postgres/data", "--to-postgres-directory", place.path / "new", status=1)
        assert "SNAPSHOT:postgres" in place.stderr
        place.run("restore", "latest", "--to-postgres-directory", place.path / "new", "--exclude", "base", status=2)
        place.run("restore", "latest", "--to", place.path / "new", "--immediate", status=2)
        records = place.json("restore", "latest", "--to-postgres-directory", place.path / "new", "--map-tablespace", f"{space}={place.path}/other", "--dry-run")
        assert [record["path"] for record in records if record["type"] == "step"] == [str(place.path / "new"), str(place.path / "other")], records
        assert not (place.path / "new").exists()


TESTS = [
    only_what_changed_is_stored_again,
    a_cluster_comes_back_as_it_was_at_a_point_in_time,
    a_standby_can_be_backed_up,
    damaged_pages_are_named_and_the_snapshot_is_kept,
    an_interrupt_ends_a_backup_within_two_seconds,
    a_wait_for_a_checkpoint_can_be_interrupted,
    an_archiver_that_hangs_does_not_hold_a_backup_up,
    a_promotion_ends_the_backup_of_a_standby,
    only_the_server_that_the_certificate_names_is_believed,
    a_restore_that_cannot_be_finished_leaves_nothing,
    a_restored_cluster_can_be_started_right_away,
    a_killed_backup_leaves_neither_slot_nor_snapshot,
    a_killed_walsender_ends_the_backup,
    a_terminated_log_receiver_ends_the_backup,
    a_killed_server_ends_the_backup,
    a_cut_network_ends_the_backup,
    a_slot_that_is_lost_at_the_start_is_explained_and_the_next_backup_works,
    a_log_that_falls_too_far_behind_ends_the_backup,
    a_backup_that_stood_still_for_too_long_says_so,
    what_a_server_refuses_is_told_with_advice,
    a_role_with_the_replication_right_suffices,
    a_restore_overwrites_nothing,
]


def main():
    memory_folder.use()
    names = sys.argv[2:]
    versions = VERSIONS + (["14", "16"] if os.environ.get("BACKSTAY_TESTS_LONG") else [])
    tests = [each(version) for version in versions for each in (cycle_of, moment_of)] + TESTS
    return run_all([test for test in tests if not names or any(name in test.__name__ for name in names)], sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
