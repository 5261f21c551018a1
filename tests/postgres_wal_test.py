#!/usr/bin/env python3
"""The write-ahead log of real PostgreSQL servers: in by archive_command or from a slot, out by restore_command.

    postgres_wal_test.py COMMAND [NAME…]"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))

from command_line import run_all  # noqa: E402  pylint: disable=wrong-import-position
import memory_folder  # noqa: E402  pylint: disable=wrong-import-position
from postgres_server import TOOLS, PostgresServer, as_owner, give_to_owner, make_reachable, run_as_owner  # noqa: E402  pylint: disable=wrong-import-position
from tcp_proxy import TcpProxy  # noqa: E402  pylint: disable=wrong-import-position

SEGMENT = 16 << 20


def as_server(place):
    """Everything runs as the account that the servers run as: they call the command themselves."""
    make_reachable(place.path)
    for path in place.path.iterdir():
        give_to_owner(path)
    place.copy_command()
    place.process_options = {**as_owner(), "cwd": "/"}
    place.run("init")


def own_command(place, *arguments):
    words = ["env", f"BACKSTAY_CACHE_DIR={place.path}/cache", place.command, "-r", str(place.path / "repository"), "--key-file", str(place.path / "key"), *arguments]
    return " ".join(shlex.quote(word) for word in words)


def restored(place, *more, name):
    folder = place.path / name
    make_reachable(folder)
    place.run("restore", "latest", "--to-postgres-directory", folder / "data", *more)
    server = PostgresServer(folder, data=folder / "data")
    return server


def recovered(server):
    server.wait_until("select not pg_is_in_recovery()", wait=60)
    return server


def end_segment(server):
    """Its name. Right at the beginning of a segment the server still names the one before, so something is written first."""
    server.sql("create table if not exists filler (n int); insert into filler values (1)")
    name = server.value("select pg_walfile_name(pg_current_wal_lsn())")
    server.sql("select pg_switch_wal()")
    return name


def archived(server):
    """Ends the segment and waits until it is archived; its name."""
    name = end_segment(server)
    server.wait_until(f"select coalesce(last_archived_wal >= '{name}', false) from pg_stat_archiver", wait=60)
    return name


def logs(place):
    return [record for record in place.json("snapshots", "--kind", "log") if record["type"] == "snapshot"]


def files_of(place, snapshot):
    return [record["path"].split("/")[-1] for record in place.json("ls", f"{snapshot}:wal") if record["type"] == "entry"]


def an_archived_log_takes_a_cluster_to_any_second(place):
    as_server(place)
    push = own_command(place, "wal-push", "%p").replace("'%p'", "%p")
    settings = ["archive_mode = on", "archive_command = '" + push.replace("'", "''") + "'"]
    with PostgresServer(place.path / "server", settings=settings) as server:
        server.sql("create table witness (n int)")
        place.run("backup", "--postgres", server.conninfo(), "--checkpoint", "fast")
        moments = []
        for n in range(3):
            server.sql(f"insert into witness values ({n})")
            time.sleep(0.1)
            moments.append(server.value("select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"))
            time.sleep(0.1)
            archived(server)
        server.sql("insert into witness values (99)")
        archived(server)
    for n, moment in enumerate(moments):
        with restored(place, "--target-time", moment, "--log-from-repository", name=f"copy{n}") as copy:
            recovered(copy)
            assert copy.value("select count(*) from witness") == str(n + 1), (n, moment, copy.log_text()[-2000:])
    spool = place.path / "spool"
    with restored(place, "--restore-command", own_command(place, "wal-fetch", "%f", "%p", "--spool", str(spool)).replace("'%f'", "%f").replace("'%p'", "%p"), name="spooled") as copy:
        recovered(copy)
        assert copy.value("select count(*) from witness") == "4" and spool.is_dir()
    with restored(place, "--log-from-repository", name="all") as copy:
        recovered(copy)
        assert copy.value("select string_agg(n::text, ' ' order by n) from witness") == "0 1 2 99"


def only_whole_segments_of_one_history_are_taken(place):
    as_server(place)
    with PostgresServer(place.path / "server", settings=["wal_keep_size = 256MB"]) as server:
        server.sql("create table t as select 1")
        name = server.value("select pg_walfile_name(pg_current_wal_lsn())")
        server.sql("select pg_switch_wal()")
        server.stop()
        segment = server.data / "pg_wal" / name
        copies = place.path / "copies"
        make_reachable(copies)
        place.run("wal-push", segment)
        before = len(logs(place))
        place.run("wal-push", segment)  # once more: PostgreSQL asks for it after a crash
        assert len(logs(place)) == before == 1

        def refused(path, message, change):
            shutil.copy(segment, path)
            change(path)
            give_to_owner(path)
            place.run("wal-push", path, status=1)
            assert message in place.stderr, place.stderr

        cut = copies / name
        refused(cut, "whole segment", lambda path: os.truncate(path, SEGMENT // 2))
        refused(cut, "no segment", lambda path: path.write_bytes(b"\0" * SEGMENT))
        refused(cut, "other contents", lambda path: path.write_bytes(segment.read_bytes()[:-1] + b"\1"))
        refused(copies / (name[:-1] + "E"), "whole segment", lambda path: None)
        refused(copies / "xlogtemp.12", "no file of a write-ahead log", lambda path: None)
        assert len(logs(place)) == 1
        # What is not there, and what cannot be known, are told apart.
        system = run_as_owner(TOOLS / "pg_controldata", server.data).split("Database system identifier:")[1].split()[0]
        target = copies / "fetched"
        place.run("wal-fetch", name, target, "--system-id", system)
        assert target.read_bytes() == segment.read_bytes()
        place.run("wal-fetch", name, server.data / "pg_wal" / "RECOVERYXLOG")
        place.run("wal-fetch", name[:-1] + "E", target, "--system-id", system, status=1)
        place.run("wal-fetch", name, target, "--system-id", "1", status=1)
        place.run("wal-fetch", name, target, status=126)  # no control file tells the system
        place.run("-r", place.path / "nowhere", "wal-fetch", name, target, "--system-id", system, status=126)
        begin = time.monotonic()
        place.run("wal-fetch", name, target, "--system-id", system)
        print(f"wal-fetch took {time.monotonic() - begin:.3f} s")


def a_gap_in_the_log_is_found_by_check(place):
    as_server(place)
    with PostgresServer(place.path / "server", settings=["wal_keep_size = 256MB"]) as server:
        names = [end_segment(server) for _ in range(4)]
        for name in (names[0], names[3]):
            place.run("wal-push", server.data / "pg_wal" / name)
        problem, = [record for record in place.json("check", status=5) if record["type"] == "problem"]
        assert names[1] in problem["message"] and names[2] in problem["message"], problem
        place.run("backup", "--postgres", server.conninfo(), "--checkpoint", "fast")
        notice, = [record for record in place.json("check") if record["type"] == "notice"]
        assert names[1] in notice["message"], notice
        for name in names[1:3]:
            place.run("wal-push", server.data / "pg_wal" / name)
        assert not [record for record in place.json("check") if record["type"] == "notice"]


def wait_for_segments(place, wanted, wait=60):
    deadline = time.monotonic() + wait
    while True:
        names = sorted({name for log in logs(place) for name in files_of(place, log["id"])})
        if set(wanted) <= set(names):
            return names
        assert time.monotonic() < deadline, (wanted, names)
        time.sleep(0.3)


def receiver(place, server, port=None, more=()):
    conninfo = server.conninfo() if port is None else server.conninfo().replace(f"port={server.port}", f"port={port}")
    return place.start("wal-receive", "--postgres", conninfo, "--create-slot", *more, stdout=subprocess.DEVNULL, stderr=open(place.path / "receiver.log", "ab"))  # pylint: disable=consider-using-with


def a_slot_is_received_through_kills_and_restarts_without_a_gap(place):
    as_server(place)
    with PostgresServer(place.path / "server") as server:
        process = receiver(place, server)
        try:
            server.wait_until("select count(*) = 1 from pg_replication_slots where active", wait=20)
            names = [end_segment(server) for _ in range(3)]
            wait_for_segments(place, names)
            server.wait_until(f"select pg_walfile_name(restart_lsn) >= '{names[-1]}' from pg_replication_slots", wait=20)
            process.kill()
            process.wait()
            server.wait_until("select count(*) = 0 from pg_replication_slots where active", wait=20)
            names += [end_segment(server) for _ in range(2)]
            process = receiver(place, server)
            wait_for_segments(place, names)
            server.stop()
            server.start()
            names.append(end_segment(server))
            wait_for_segments(place, names)
            numbers = [int(name[16:], 16) for name in wait_for_segments(place, names)]
            assert numbers == list(range(numbers[0], numbers[-1] + 1)), numbers
            process.send_signal(signal.SIGTERM)
            assert process.wait(5) == 4
        finally:
            process.kill()
            process.wait()


def a_receiver_gets_over_a_cut_network(place):
    as_server(place)
    with PostgresServer(place.path / "server") as server, TcpProxy(server.port) as proxy:
        process = receiver(place, server, proxy.port)
        try:
            names = []
            for _ in range(3):
                server.wait_until("select count(*) = 1 from pg_replication_slots where active", wait=40)
                names.append(end_segment(server))
                wait_for_segments(place, names)
                proxy.cut()
                names.append(end_segment(server))
            numbers = [int(name[16:], 16) for name in wait_for_segments(place, names)]
            assert numbers == list(range(numbers[0], numbers[-1] + 1)), numbers
        finally:
            process.kill()
            process.wait()


def a_slot_that_lost_its_log_is_told(place):
    as_server(place)
    with PostgresServer(place.path / "server", settings=["max_slot_wal_keep_size = 64MB", "max_wal_size = 32MB"]) as server:
        process = receiver(place, server)
        try:
            server.wait_until("select count(*) = 1 from pg_replication_slots where active", wait=20)
            wait_for_segments(place, [end_segment(server)])
        finally:
            process.kill()
            process.wait()
        server.wait_until("select count(*) = 0 from pg_replication_slots where active", wait=20)
        for _ in range(6):
            server.sql("create table written as select repeat('x', 500) as x from generate_series(1, 40000)")
            for statement in ("drop table written", "select pg_switch_wal()", "checkpoint"):
                server.sql(statement)
        process = receiver(place, server)
        try:
            assert process.wait(20) == 1
            assert "--skip-gap" in (place.path / "receiver.log").read_text()
            server.sql("select pg_drop_replication_slot('backstay')")
            process = receiver(place, server, more=["--skip-gap"])
            server.wait_until("select count(*) = 1 from pg_replication_slots where active", wait=20)
            place.summary("backup", "--postgres", server.conninfo(), "--checkpoint", "fast")
            wait_for_segments(place, [end_segment(server)])
        finally:
            process.kill()
            process.wait()
    place.run("check")  # the backup gets over the gap


def nobody_is_told_to_drop_a_slot_of_another_kind(place):
    as_server(place)
    with PostgresServer(place.path / "server", settings=["wal_level = logical"]) as server:
        process = receiver(place, server)
        try:
            server.wait_until("select count(*) = 1 from pg_replication_slots where active", wait=20)
            wait_for_segments(place, [end_segment(server)])
        finally:
            process.kill()
            process.wait()
        server.sql("select pg_create_logical_replication_slot('theirs', 'test_decoding')")
        place.run("wal-receive", "--postgres", server.conninfo(), "--slot", "theirs", status=1)
        assert "logical" in place.stderr and "rop the slot" not in place.stderr, place.stderr


def a_receiver_follows_a_promotion(place):
    as_server(place)
    with PostgresServer(place.path / "server") as server:
        data = place.path / "standby" / "data"
        make_reachable(data.parent)
        run_as_owner(TOOLS / "pg_basebackup", "-D", data, "-R", "-c", "fast", "-d", server.conninfo())
        with PostgresServer(data.parent, data=data) as standby:
            process = receiver(place, standby)
            try:
                standby.wait_until("select count(*) = 1 from pg_replication_slots where active", wait=30)
                name = end_segment(server)
                wait_for_segments(place, [name])
                server.stop()
                standby.sql("select pg_promote()")
                standby.wait_until("select not pg_is_in_recovery()")
                name = end_segment(standby)
                assert name.startswith("00000002"), name
                names = wait_for_segments(place, [name, "00000002.history"])
                assert all(len(name) != 24 or name[:8] in ("00000001", "00000002") for name in names)
            finally:
                process.kill()
                process.wait()


def the_log_is_kept_as_long_as_a_backup_needs_it(place):
    as_server(place)
    push = own_command(place, "wal-push", "%p").replace("'%p'", "%p")
    settings = ["archive_mode = on", "archive_command = '" + push.replace("'", "''") + "'"]
    with PostgresServer(place.path / "server", settings=settings) as server:
        server.sql("create table t (n int)")
        archived(server)
        for _ in range(2):
            place.run("backup", "--postgres", server.conninfo(), "--checkpoint", "fast")
            server.sql("insert into t values (1)")
            archived(server)
    before = len(logs(place))
    place.run("forget", "--keep-last", "2", "--prune")
    middle = len(logs(place))
    assert 2 <= middle < before, (before, middle)
    place.run("forget", "--keep-last", "1", "--prune")
    assert 1 <= len(logs(place)) < middle
    with restored(place, "--log-from-repository", name="copy") as copy:
        recovered(copy)
        assert copy.value("select count(*) from t") == "2"


def main():
    memory_folder.use()
    tests = [an_archived_log_takes_a_cluster_to_any_second, only_whole_segments_of_one_history_are_taken, a_slot_is_received_through_kills_and_restarts_without_a_gap,
             a_gap_in_the_log_is_found_by_check, a_slot_that_lost_its_log_is_told, nobody_is_told_to_drop_a_slot_of_another_kind, a_receiver_gets_over_a_cut_network, a_receiver_follows_a_promotion, the_log_is_kept_as_long_as_a_backup_needs_it]
    names = sys.argv[2:]
    return run_all([test for test in tests if not names or any(name in test.__name__ for name in names)], sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
