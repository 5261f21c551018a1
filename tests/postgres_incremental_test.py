#!/usr/bin/env python3
"""Incremental backups of real PostgreSQL servers of 17 and later: each snapshot restores by itself.

    postgres_incremental_test.py COMMAND [NAME…]"""

import os
import shutil
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))

from cluster_checks import demand_fitting_manifest, demand_right_checksums, demand_sound_tables  # noqa: E402  pylint: disable=wrong-import-position
from command_line import run_all  # noqa: E402  pylint: disable=wrong-import-position
import memory_folder  # noqa: E402  pylint: disable=wrong-import-position
from postgres_server import PostgresServer, make_reachable  # noqa: E402  pylint: disable=wrong-import-position

SUMS = "select (select sum(abalance) from pgbench_accounts) || ' ' || (select sum(bbalance) from pgbench_branches) || ' ' || " \
       "(select sum(tbalance) from pgbench_tellers) || ' ' || (select coalesce(sum(delta), 0) from pgbench_history)"
SUMMARISING = ["summarize_wal = on", "autovacuum = off"]


def fill(server, scale=2):
    server.tool("pgbench", "-i", "-q", "-s", str(scale), "postgres")


def back_up(place, server, *more, status=0):
    """The summary, with what the source said of itself."""
    records = place.json("backup", "--postgres", server.conninfo(), "--checkpoint", "fast", "--incremental", *more, status=status)
    source, = [record for record in records if record["type"] == "source"]
    return {**records[-1], "source": source, "told": [record for record in records if record["type"] == "problem"]}


def demand_incremental(summary):
    assert summary["source"]["verdict"] == "ok" and summary["source"]["message"] == "", summary


def demand_full(summary, why):
    assert "sent everything" in summary["source"]["message"] and why in summary["source"]["message"], summary


def restored(place, version, snapshot, *more):
    folder = place.path / f"restored-{snapshot[:8]}"
    make_reachable(folder)
    data = folder / "data"
    make_reachable(data)
    data.chmod(0o700)
    place.run("restore", snapshot, "--to-postgres-directory", data, *more)
    return PostgresServer(folder, version, data=data)


def demand_good(copy, counts):
    label = (copy.data / "backup_label").read_text()
    assert "INCREMENTAL" not in label and "START WAL LOCATION" in label, label
    demand_fitting_manifest(copy.data, copy.version)
    with copy:
        copy.wait_until("select not pg_is_in_recovery()", wait=60)
        sums = set(copy.value(SUMS).split())
        assert len(sums) == 1, f"the four sums of pgbench differ: {sums}"
        for table, count in counts.items():
            assert copy.value(f"select count(*) || ' ' || coalesce(sum(n), 0) from {table}") == count, table
        assert copy.value("select to_regclass('dropped') is null") == "t"
        demand_sound_tables(copy)
        copy.sql("create extension pg_visibility")  # no table's map says more than is true
        for check in ("pg_check_visible(oid)", "pg_check_frozen(oid)"):
            assert copy.sql(f"select oid::regclass, {check} from pg_class where relkind = 'r'") == [], check
        copy.stop(signal.SIGINT)
    demand_right_checksums(copy.data, copy.version)


TABLES = ["grown", "shrunk", "emptied", "elsewhere"]


def make_tables(server, space):
    server.sql(f"create tablespace one location '{space}'")
    for table in TABLES + ["dropped"]:
        place = "tablespace one" if table == "elsewhere" else ""
        server.sql(f"create table {table} (n int, text text) {place}; insert into {table} select g, repeat(md5(g::text), 10) from generate_series(1, 20000) g; create index on {table} (n) {place}")
    server.sql("vacuum")


def change_tables(server, step):
    server.sql(f"insert into grown select g, repeat('x', 300) from generate_series({step}00001, {step}03000) g; vacuum freeze grown")
    server.sql(f"delete from shrunk where n > 20000 - {step} * 6000; vacuum shrunk")  # gives its end back
    server.sql("truncate emptied; insert into emptied select g, 'new' from generate_series(1, 100) g")
    server.sql(f"update elsewhere set text = 'changed' where n % 5000 = {step}")
    server.sql("drop table if exists dropped")
    server.sql(f"create table new{step} as select g as n from generate_series(1, 5000) g")


def counts_of(server):
    return {table: server.value(f"select count(*) || ' ' || coalesce(sum(n), 0) from {table}") for table in TABLES}


def cycle(place, version):
    place.run("init")
    space = place.path / "space"
    make_reachable(space)
    counts = {}
    snapshots = []
    with PostgresServer(place.path / "server", version, settings=SUMMARISING) as server:
        fill(server)
        make_tables(server, space)
        first = back_up(place, server)
        demand_full(first, "no parent snapshot")
        for step in (1, 2, 3):
            change_tables(server, step)
            load = server.pgbench("-c", 4, "-T", 60, "-n", "-R", 200)
            try:
                time.sleep(0.5)
                one = back_up(place, server)
            finally:
                load.terminate()
                load.wait()
            demand_incremental(one)
            assert one["bytes_read"] < first["bytes_read"] * 0.8 and one["bytes_source"] > first["bytes_source"] * 0.7, (first, one)
            snapshots.append(one["snapshot"])
            counts[one["snapshot"]] = counts_of(server)
        server.wait_until("select count(*) = 0 from pg_replication_slots", wait=10)
    place.run("forget", first["snapshot"], snapshots[0])
    place.run("prune")
    place.run("check", "--read-data", "100%")
    shutil.rmtree(space)
    for snapshot in snapshots[1:]:
        copy = restored(place, version, snapshot, "--verify", "--map-tablespace", f"{space}={place.path}/space-{snapshot[:8]}")
        demand_good(copy, counts[snapshot])


def cycle_of(version):
    def test(place):
        cycle(place, version)
    test.__name__ = f"incremental_backups_of_{version}_under_load_come_back_whole_each_by_itself"
    return test


def an_incremental_backup_has_what_a_full_one_has(place):
    place.run("init")
    space = place.path / "space"
    make_reachable(space)
    kinds = {"btree": "n", "hash": "n", "gin": "words", "gist": "spot", "spgist": "spot", "brin": "n"}
    row = "g, md5(g::text), array[md5((g % 100)::text), md5(g::text)], point(g, g % 77), repeat(md5(g::text), 100)"
    with PostgresServer(place.path / "server", "17", settings=SUMMARISING) as server:
        server.sql(f"create tablespace one location '{space}'; create table moved as select g as n from generate_series(1, 30000) g; create sequence counter; create table plain as select g as n from generate_series(1, 90000) g")
        server.sql("create table shrunk as select g as n from generate_series(1, 90000) g; create table packed as select * from shrunk; create unlogged table forgotten as select * from shrunk")
        for kind, column in kinds.items():
            server.sql(f"create table of_{kind} (n int, text text, words text[], spot point, long text); insert into of_{kind} select {row} from generate_series(1, 5000) g; create index on of_{kind} using {kind} ({column})")
        server.sql("vacuum freeze; checkpoint; create database other; select lo_from_bytea(77, 'large')")
        back_up(place, server)
        for kind in kinds:
            server.sql(f"insert into of_{kind} select {row} from generate_series(5001, 5300) g; delete from of_{kind} where n % 50 = 1; update of_{kind} set text = 'new' where n % 70 = 2")
            server.sql(f"begin; select count(*) from (select * from of_{kind} where n % 90 = 3 for update) locked; savepoint s; delete from of_{kind} where n < 100; rollback to s; commit")
        server.sql("vacuum of_gin; reindex table of_gist; cluster of_btree using of_btree_n_idx; vacuum full of_hash")
        server.sql("alter table moved set tablespace one; select nextval('counter') from generate_series(1, 100); update plain set n = -n where n % 9000 = 1; delete from shrunk where n > 40000; vacuum shrunk; insert into shrunk values (1)")
        server.sql("delete from packed where n % 2 = 0; vacuum freeze packed; select lo_put(77, 3, 'x'); insert into forgotten values (0)")
        server.sql("begin; create table frozen (n int); copy frozen from program 'seq 20000' (freeze); commit; drop database other; create database other2 strategy file_copy; create database other3 strategy wal_log")
        server.sql("create table inside as select g from generate_series(1, 9000) g", database="other3")
        server.sql("checkpoint; checkpoint")
        one = back_up(place, server)
        demand_incremental(one)
        full = place.summary("backup", "--postgres", server.conninfo(), "--checkpoint", "fast", "--parent", "none")
    changed = {record["path"]: record for record in place.json("diff", one["snapshot"], full["snapshot"]) if record["type"] == "difference"}
    maps = [path for path in changed if path.endswith("_vm")]
    rest = {path for path in changed if path not in maps and not path.startswith("postgres/wal/")}
    assert rest == {"postgres/backup_manifest", "postgres/data/backup_label", "postgres/data/global/pg_control"}, rest
    for path in maps:  # servers do not tell of bits that they cleared: a map may say less than it could, and no more
        ours, theirs = (place.run("cat", f"{snapshot}:{path}") for snapshot in (one["snapshot"], full["snapshot"]))
        assert len(ours) == len(theirs) and all(a & ~b == 0 for at in range(0, len(ours), 8192) for a, b in zip(ours[at + 24:at + 8192], theirs[at + 24:at + 8192])), path


def no_scan_of_an_index_alone_finds_rows_that_are_gone(place):
    place.run("init")
    between = "select count(*) from quiet where n between 1 and 30000"
    for checksums in (True, False):
        with PostgresServer(place.path / f"server{checksums}", "17", settings=SUMMARISING, checksums=checksums) as server:
            server.sql("create table quiet as select g as n from generate_series(1, 50000) g; create index on quiet (n); vacuum freeze quiet; create extension pg_visibility")
            fill(server)
            back_up(place, server)
            server.sql("checkpoint; update quiet set n = n + 100000 where n % 5000 = 1; checkpoint")
            one = back_up(place, server)
            demand_incremental(one)
        with restored(place, "17", one["snapshot"]) as copy:
            copy.wait_until("select not pg_is_in_recovery()", wait=60)
            plan = copy.sql(f"set enable_seqscan = off; set enable_bitmapscan = off; explain {between}")
            assert any("Index Only Scan" in line for line, in plan), plan
            assert copy.sql(f"set enable_seqscan = off; set enable_bitmapscan = off; {between}") == [["29994"]]
            assert copy.sql("select c.oid::regclass from pg_class c, pg_check_visible(c.oid) where relkind = 'r'") == []
            visible = int(copy.value("select all_visible from pg_visibility_map_summary('quiet')"))
            assert visible > 200 if checksums else visible == 0, visible  # of 222


def of_a_cluster_that_rests_almost_nothing_is_read(place):
    place.run("init")
    with PostgresServer(place.path / "server", "17", settings=SUMMARISING) as server:
        fill(server, 5)
        server.sql("vacuum freeze; checkpoint")
        first = back_up(place, server)
        server.sql("update pgbench_accounts set abalance = 1 where aid in (7, 70000, 140000)")
        second = back_up(place, server)
        demand_incremental(second)
        log = 16 << 20
        demand_full(back_up(place, server, "--force"), "no parent snapshot")
        assert second["bytes_read"] < first["bytes_read"] / 4 + log and second["bytes_new"] < first["bytes_new"] / 10, (first, second)


def a_server_that_keeps_no_summaries_is_refused(place):
    place.run("init")
    for version, word in (("15", "17 or later"), ("17", "summarize_wal is off")):
        with PostgresServer(place.path / f"server{version}", version) as server:
            place.run("backup", "--postgres", server.conninfo(), "--checkpoint", "fast", "--incremental", status=1)
            assert word in place.stderr, place.stderr
    assert place.summary("snapshots")["snapshots"] == 0
    place.run("backup", "--postgres", "host=nowhere", "--method", "logical", "--incremental", status=2)
    assert "physical" in place.stderr, place.stderr


def where_summaries_are_lost_everything_is_sent_and_that_is_told(place):
    place.run("init")
    with PostgresServer(place.path / "server", "17", settings=SUMMARISING) as server:
        fill(server)
        back_up(place, server)
        server.sql("update pgbench_accounts set abalance = 1 where aid = 7; checkpoint")
        demand_incremental(back_up(place, server))
        needed = server.value("select pg_walfile_name(pg_current_wal_lsn())")
        for _ in range(4):  # the log that they could be made of again goes, too
            server.sql("update pgbench_accounts set abalance = 2 where aid = 7; select pg_switch_wal(); checkpoint")
            server.wait_until("select summarized_lsn >= redo_lsn from pg_get_wal_summarizer_state(), pg_control_checkpoint()")
            server.sql("checkpoint")
        assert not (server.data / "pg_wal" / needed).exists()
        server.stop()
        for file in (server.data / "pg_wal" / "summaries").iterdir():
            file.unlink()
        server.start()
        demand_full(back_up(place, server), "summar")
        server.sql("update pgbench_accounts set abalance = 1 where aid = 70000; checkpoint")
        demand_incremental(back_up(place, server))


def only_a_backup_of_the_same_cluster_and_timeline_is_built_on(place):
    place.run("init")
    with PostgresServer(place.path / "server", "17", settings=SUMMARISING) as server:
        fill(server)
        first = back_up(place, server)["snapshot"]
    copy = restored(place, "17", first)
    with copy:
        copy.wait_until("select not pg_is_in_recovery()", wait=60)
        demand_full(back_up(place, copy, "--parent", first), "timeline 1")
    with PostgresServer(place.path / "other", "17", settings=SUMMARISING) as other:
        demand_full(back_up(place, other, "--parent", first), "another cluster")
        tree = place.path / "tree"
        tree.mkdir()
        place.run("backup", tree)
        demand_full(back_up(place, other, "--parent", "latest"), "no parent snapshot")


def a_damaged_page_that_is_sent_is_named_and_is_not_built_on(place):
    place.run("init")
    with PostgresServer(place.path / "server", "17", settings=SUMMARISING) as server:
        fill(server)
        back_up(place, server)
        path = server.data / server.value("select pg_relation_filepath('pgbench_accounts')")
        block = int(server.value("update pgbench_accounts set abalance = 1 where aid = 70000; select (ctid::text::point)[0]::int from pgbench_accounts where aid = 70000"))
        server.sql("checkpoint")
        server.stop()
        with open(path, "r+b") as file:
            file.seek(block * 8192 + 4000)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 0x10]))
        server.start()
        second = back_up(place, server, status=3)
        relative = "data/" + str(path.relative_to(server.data))
        assert second["source"]["verdict"] == "damaged", second
        assert any(problem["path"] == relative and f"block {block} " in problem["message"] for problem in second["told"]), second
        third = back_up(place, server, status=3)  # all of it: the page is named again
        assert any(problem["path"] == relative and f"block {block} " in problem["message"] for problem in third["told"]), third
        assert third["bytes_read"] == third["bytes_source"], third


def where_the_parent_has_lost_data_everything_is_sent_and_that_is_told(place):
    place.run("init")
    with PostgresServer(place.path / "server", "17", settings=SUMMARISING) as server:
        fill(server)
        back_up(place, server)
        server.sql("update pgbench_accounts set abalance = 1 where aid % 500 = 7; checkpoint")
        pack = max((place.path / "repository" / "packs").rglob("*"), key=lambda path: path.stat().st_size)
        size = pack.stat().st_size
        with open(pack, "r+b") as file:  # not its end: there is the manifest
            file.seek(size // 5)
            file.write(b"\0" * (size // 3))
        shutil.rmtree(place.path / "cache")
        second = back_up(place, server)
        demand_full(second, "parent snapshot")
        assert second["problems"] == 0 and not second["told"] and second["bytes_read"] == second["bytes_source"], second
        assert len([record for record in place.json("snapshots") if record["type"] == "snapshot"]) == 2
        server.wait_until("select count(*) = 0 from pg_replication_slots", wait=10)
        server.sql("update pgbench_accounts set abalance = 1 where aid % 500 = 8; checkpoint")
        demand_incremental(back_up(place, server))
        # A pack that has gone altogether.
        server.sql("update pgbench_accounts set abalance = 1 where aid % 500 = 9; checkpoint")
        for path in sorted((path for path in (place.path / "repository" / "packs").rglob("*") if path.is_file()), key=lambda path: -path.stat().st_size)[:2]:
            path.unlink()
        demand_full(back_up(place, server), "parent snapshot")
        server.wait_until("select count(*) = 0 from pg_replication_slots", wait=10)


TESTS = [
    no_scan_of_an_index_alone_finds_rows_that_are_gone,
    an_incremental_backup_has_what_a_full_one_has,
    of_a_cluster_that_rests_almost_nothing_is_read,
    a_server_that_keeps_no_summaries_is_refused,
    where_summaries_are_lost_everything_is_sent_and_that_is_told,
    only_a_backup_of_the_same_cluster_and_timeline_is_built_on,
    a_damaged_page_that_is_sent_is_named_and_is_not_built_on,
    where_the_parent_has_lost_data_everything_is_sent_and_that_is_told,
]


def main():
    memory_folder.use()
    names = sys.argv[2:]
    tests = [cycle_of(version) for version in ("17", "18")] + TESTS
    return run_all([test for test in tests if not names or any(name in test.__name__ for name in names)], sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
