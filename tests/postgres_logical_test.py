#!/usr/bin/env python3
"""Databases of real servers, saved by pg_dump table by table, and restored: compared by PostgreSQL's own tools. postgres_logical_test.py COMMAND"""

import difflib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from command_line import run_all  # noqa: E402
import memory_folder  # noqa: E402
from postgres_server import TOOLS, PostgresServer, tools  # noqa: E402

SERVER = None  # of version 15, shared: each test has databases of its own

SHOP = r"""
CREATE SCHEMA "My Schema";
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE TABLE customers (id serial PRIMARY KEY, name text, m mood DEFAULT 'good');
CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, customer int REFERENCES customers, note text, doubled int GENERATED ALWAYS AS (twice(customer)) STORED);
CREATE INDEX orders_note ON orders (note);
CREATE TABLE "My Schema"."T.able ""q"" /x" (a int, "B b" text);
CREATE TABLE "My Schema"."t.able ""q"" /x" (a int);
CREATE TABLE "ünïcode %41#" (a int);
CREATE TABLE empty (a int);
CREATE TABLE parts (a int, b text) PARTITION BY RANGE (a);
CREATE TABLE parts1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
CREATE TABLE parts2 PARTITION OF parts FOR VALUES FROM (100) TO (200);
CREATE VIEW v AS SELECT o.id, c.name FROM orders o JOIN customers c ON c.id = o.customer;
INSERT INTO customers (name) SELECT 'name ' || i || E'\n\t\\' FROM generate_series(1, 200) i;
INSERT INTO orders (customer, note) SELECT 1 + i % 200, CASE WHEN i % 3 > 0 THEN 'note ' || i END FROM generate_series(1, 3000) i;
INSERT INTO "My Schema"."T.able ""q"" /x" VALUES (1, 'x'), (2, E'\\.'), (3, '');
INSERT INTO "ünïcode %41#" VALUES (42);
INSERT INTO parts SELECT i, 'p' || i FROM generate_series(0, 199) i;
CREATE MATERIALIZED VIEW mv AS SELECT count(*) FROM customers;
SELECT lo_from_bytea(777, 'a large object'), lo_from_bytea(3000000000, decode(repeat('00ff', 3000), 'hex'));
CREATE TABLE big (body text);
INSERT INTO big SELECT repeat(md5('x'), 100000) FROM generate_series(1, 2);
CREATE UNLOGGED TABLE unlogged (a int);
INSERT INTO unlogged VALUES (1);
CREATE TABLE chicken (id int PRIMARY KEY, egg int);
CREATE TABLE egg (id int PRIMARY KEY, chicken int REFERENCES chicken);
ALTER TABLE chicken ADD FOREIGN KEY (egg) REFERENCES egg;
INSERT INTO chicken VALUES (1, NULL);
INSERT INTO egg VALUES (1, 1);
UPDATE chicken SET egg = 1;
CREATE TABLE guarded (a int);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY positive ON guarded USING (a > 0);
INSERT INTO guarded VALUES (-1);
CREATE SEQUENCE lone START 5;
SELECT nextval('lone');
GRANT SELECT ON LARGE OBJECT 777 TO PUBLIC;
COMMENT ON LARGE OBJECT 777 IS 'not so large';
GRANT SELECT ON customers TO PUBLIC;
COMMENT ON TABLE customers IS 'who buys; ''here''';
"""


def create(name, script=SHOP, server=None):
    server = server or SERVER
    server.sql(f'CREATE DATABASE "{name}"')
    server.sql(script, name)


def dump(database, server=None, *arguments):
    """What pg_dump says of a database, without its name and its own notes."""
    server = server or SERVER
    text = server.tool_of(max(server.version, "15"), "pg_dump", *arguments, "-d", database)
    return [line for line in text.splitlines() if line and not line.startswith(("--", "\\restrict", "\\unrestrict"))]


def demand_equal(got, wanted):
    assert got == wanted, "\n".join(difflib.unified_diff(wanted, got, lineterm="", n=1))


def databases(server=None):
    return {row[0] for row in (server or SERVER).sql("SELECT datname FROM pg_database")}


def scratch_left():
    return [name for name in databases() if name.startswith("backstay_")]


def backup(place, *arguments, **options):
    return place.summary("backup", "--postgres", SERVER.conninfo(), "--method", "logical", *arguments, **options)


def restore(place, *arguments, snapshot="latest", **options):
    return place.summary("restore", snapshot, "--to-postgres", SERVER.conninfo(), *arguments, **options)


def entries(place, path="latest"):
    return {record["path"].removeprefix("postgres/"): record for record in place.json("ls", path, "--recursive") if record["type"] == "entry"}


def test_a_database_comes_back_under_another_name_as_it_was(place):
    place.run("init")
    create("whole")
    SERVER.sql("CREATE EXTENSION hstore; CREATE TABLE ext (h hstore); INSERT INTO ext VALUES ('a=>1')", "whole")
    SERVER.sql("CREATE ROLE whole_owner; ALTER DATABASE whole OWNER TO whole_owner; ALTER DATABASE whole SET work_mem = '7MB'; COMMENT ON DATABASE whole IS 'it''s; whole'")
    backup(place, "--database", "whole")
    summary = restore(place, "--database", "whole=whole again", "--verify")
    assert summary["problems"] == 0, summary
    assert dump("whole") == dump("whole again")
    assert SERVER.value("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'whole again'") == "whole_owner"
    assert SERVER.value("SHOW work_mem", "whole again") == "7MB"
    assert SERVER.value("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = 'whole again'") == "it's; whole"
    assert not scratch_left()


def test_several_jobs_restore_the_same(place):
    place.run("init")
    create("jobs")
    backup(place, "--database", "jobs")
    assert restore(place, "--database", "jobs=jobs2", "--jobs", "3", "--verify")["problems"] == 0
    assert dump("jobs") == dump("jobs2")


def test_a_backup_while_pgbench_writes_is_consistent(place):
    place.run("init")
    SERVER.sql("CREATE DATABASE bench")
    SERVER.tool("pgbench", "-i", "-q", "bench")
    with SERVER.pgbench("-c", "2", "-T", "60", database="bench") as writing:
        SERVER.wait_until("SELECT count(*) > 50 FROM pgbench_history", database="bench")
        backup(place, "--database", "bench")
        writing.terminate()
    restore(place, "--database", "bench=bench2", "--jobs", "2", "--verify")
    sums, = SERVER.sql("SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(tbalance) FROM pgbench_tellers), "
                       "(SELECT sum(delta) FROM pgbench_history), (SELECT count(*) FROM pgbench_history) > 50", "bench2")
    assert len(set(sums[:4])) == 1 and sums[4] == "t", sums
    SERVER.tool("pg_amcheck", "--install-missing", "--heapallindexed", "-d", "bench2")


def test_a_snapshot_lists_tables_and_shows_their_rows(place):
    place.run("init")
    create("listed")
    backup(place, "--database", "listed")
    listed = entries(place)
    assert listed["listed/data/public.empty"]["size"] == 0
    assert listed["listed/data/public.orders"]["size"] > 3000
    for name in ('listed/data/My Schema.T%2Eable "q" %2Fx', 'listed/data/My Schema.t%2Eable "q" %2Fx', "listed/data/public.ünïcode %2541%23", "listed/data/large-objects", "globals.sql"):
        assert name in listed, (name, sorted(listed))
    shown = place.run("show", "latest").decode()
    assert "database   listed: 13 tables, " in shown and "server     15." in shown, shown
    long = [line.split() for line in place.run("ls", "latest:postgres", "--long").decode().splitlines()]
    assert [line[3] for line in long if line[-1] == "/postgres/listed"] != ["0"], long
    rows = place.run("cat", 'latest:postgres/listed/data/My Schema.T%2Eable "q" %2Fx').decode()
    assert rows == "1\tx\n2\t\\\\.\n3\t\n", rows


def test_a_database_that_lives_is_replaced_only_when_told_to(place):
    place.run("init")
    create("lives", "CREATE TABLE t (a int); INSERT INTO t VALUES (1)")
    backup(place, "--database", "lives")
    SERVER.sql("INSERT INTO t VALUES (2)", "lives")
    failed = restore(place, "--database", "lives", status=1)
    assert failed["error"]["code"] == "conflict", failed
    assert SERVER.value("SELECT count(*) FROM t", "lives") == "2"
    conflicts = [record for record in place.json("restore", "latest", "--to-postgres", SERVER.conninfo(), "--database", "lives", "--dry-run", status=1) if record["type"] == "conflict"]
    assert len(conflicts) == 1 and conflicts[0]["path"] == "lives", conflicts
    # Somebody who is connected is no obstacle, nor are those who come back at once.
    with subprocess.Popen([TOOLS / "psql", "-X", "-q", SERVER.conninfo(database="lives"), "-c", "SELECT pg_sleep(60)"], stderr=subprocess.DEVNULL) as session, \
            subprocess.Popen(["bash", "-c", f"while true; do {TOOLS}/psql -X -q '{SERVER.conninfo(database='lives')}' -c 'SELECT 1'; done"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             start_new_session=True) as insisting:
        SERVER.wait_until("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = 'lives' AND query LIKE '%pg_sleep%'")
        assert restore(place, "--database", "lives", "--replace")["problems"] == 0
        session.wait(30)
        assert insisting.poll() is None
        os.killpg(insisting.pid, signal.SIGKILL)
    assert SERVER.value("SELECT count(*) FROM t", "lives") == "1"
    assert not scratch_left()


def test_one_table_comes_back_without_the_others(place):
    place.run("init")
    create("one")
    backup(place, "--database", "one")
    before = dump("one", SERVER, "-t", "orders")
    SERVER.sql("DROP TABLE orders CASCADE", "one")
    summary = restore(place, "--database", "one", "--table", "public.orders")
    assert summary["entries"] == 1, summary
    assert summary["bytes_written"] < 200_000
    assert dump("one", SERVER, "-t", "orders") == before
    # It is there now: neither overwritten nor doubled.
    assert restore(place, "--database", "one", "--table", "orders", status=1)["error"]["code"] == "conflict"
    SERVER.sql("UPDATE orders SET note = 'changed'", "one")
    assert restore(place, "--database", "one", "--table", "orders", "--replace")["problems"] == 0
    assert dump("one", SERVER, "-t", "orders") == before
    # Into a database that is not there, with the types and functions it needs; the key to a table that does not come is left out.
    restore(place, "--database", "one=only", "--table", "orders", "--table", '"My Schema"."T.able ""q"" /x"')
    assert {tuple(row) for row in SERVER.sql("SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')", "only")} == {
        ("public", "orders"), ("My Schema", 'T.able "q" /x')}
    assert SERVER.value("SELECT count(*) FROM orders", "only") == "3000"
    assert SERVER.value("SELECT count(*) FROM pg_constraint WHERE contype = 'f'", "only") == "0"
    assert SERVER.value("SELECT count(*) FROM pg_indexes WHERE indexname = 'orders_note'", "only") == "1"


def test_a_partitioned_table_comes_with_its_partitions(place):
    place.run("init")
    create("parted")
    backup(place, "--database", "parted")
    SERVER.sql("DROP TABLE parts", "parted")
    assert restore(place, "--database", "parted", "--table", "parts")["entries"] == 2
    assert SERVER.value("SELECT count(*) FROM parts", "parted") == "200"


def test_a_table_that_is_not_in_the_snapshot_is_said_to_be_missing(place):
    place.run("init")
    create("missing", "CREATE TABLE t (a int)")
    backup(place, "--database", "missing")
    failed = restore(place, "--table", "no such table", status=1)
    assert failed["error"]["code"] == "not-found" and "no such table" in str(failed["error"]), failed
    failed = restore(place, "--database", "nosuch", status=1)
    assert failed["error"]["code"] == "not-found" and "missing" in failed["error"]["message"], failed


def test_rows_alone_and_definitions_alone(place):
    place.run("init")
    create("halves", "CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int REFERENCES a); INSERT INTO a SELECT generate_series(1, 50); INSERT INTO b SELECT id FROM a")
    backup(place, "--database", "halves")
    restore(place, "--database", "halves=defined", "--schema-only")
    assert SERVER.value("SELECT count(*) FROM a", "defined") == "0"
    restore(place, "--database", "halves=defined", "--data-only")
    assert SERVER.value("SELECT count(*) FROM b", "defined") == "50"
    assert restore(place, "--database", "halves=nowhere", "--data-only", status=1)["error"]["code"] == "conflict"
    # Twice is a violation of the key: nothing of it stays.
    failed = restore(place, "--database", "halves=defined", "--data-only", status=1)
    assert "duplicate key" in failed["error"]["message"], failed
    assert SERVER.value("SELECT count(*) FROM a", "defined") == "50"


def test_one_schema_comes_back(place):
    place.run("init")
    create("schemas")
    backup(place, "--database", "schemas")
    before = dump("schemas", SERVER, "-n", '"My Schema"')
    SERVER.sql('DROP SCHEMA "My Schema" CASCADE', "schemas")
    restore(place, "--database", "schemas", "--schema", "My Schema")
    assert dump("schemas", SERVER, "-n", '"My Schema"') == before


ODD_ROLE = '"role\'s ""q"""'  # in SQL


def test_roles_that_are_missing_are_made_and_others_left_alone(place):
    place.run("init")
    create("roled", "CREATE TABLE t (a int)")
    SERVER.sql(f"CREATE ROLE {ODD_ROLE} LOGIN PASSWORD 'first' VALID UNTIL '2040-01-01'; CREATE ROLE stays LOGIN PASSWORD 'old'; GRANT stays TO {ODD_ROLE}; COMMENT ON ROLE {ODD_ROLE} IS 'odd; one'")
    SERVER.sql(f"ALTER TABLE t OWNER TO {ODD_ROLE}", "roled")
    password = "SELECT rolpassword FROM pg_authid WHERE rolname = $r${}$r$"
    odd = 'role\'s "q"'
    hashed = SERVER.value(password.format(odd))
    backup(place, "--database", "roled")
    SERVER.sql("DROP DATABASE roled")
    SERVER.sql(f"DROP ROLE {ODD_ROLE}; ALTER ROLE stays PASSWORD 'new'")
    stays = SERVER.value(password.format("stays"))
    restore(place, "--database", "roled")
    assert SERVER.value("SELECT tableowner FROM pg_tables WHERE tablename = 't'", "roled") == odd
    assert SERVER.value(password.format(odd)) == hashed
    assert SERVER.value(f"SELECT pg_has_role($r${odd}$r$, 'stays', 'MEMBER')") == "t"
    assert SERVER.value(password.format("stays")) == stays
    # Without owners and rights nobody is needed.
    SERVER.sql("DROP DATABASE roled")
    SERVER.sql(f"DROP ROLE {ODD_ROLE}")
    restore(place, "--database", "roled", "--no-owner", "--no-grants")
    assert SERVER.value("SELECT tableowner FROM pg_tables WHERE tablename = 't'", "roled") == "postgres"


def test_a_second_backup_stores_what_changed(place):
    place.run("init")
    create("grows", "CREATE TABLE docs (id int PRIMARY KEY, body text); INSERT INTO docs SELECT i, md5(i::text) || md5((i * 7)::text) || repeat('filler ', 10) FROM generate_series(1, 60000) i")
    first = backup(place, "--database", "grows")
    SERVER.sql("UPDATE docs SET body = 'changed ' || id WHERE id BETWEEN 20000 AND 20100", "grows")
    second = backup(place, "--database", "grows")
    assert second["bytes_stored"] < first["bytes_stored"] / 8, (first, second)
    assert second["bytes_source"] > 8_000_000


def test_options_that_would_do_nothing_are_refused(place):
    place.run("init")
    for arguments in (("--postgres", SERVER.conninfo(), "--database", "shop"), ("--postgres", SERVER.conninfo(), "--method", "logical", "--max-rate", "1M"),
                      (place.path, "--database", "shop"), (place.path, "--method", "logical")):
        place.run("backup", *arguments, status=2)
        assert "--postgres" in place.stderr or "method" in place.stderr, place.stderr
    place.run("restore", "latest", "--to", place.path / "out", "--table", "t", status=2)
    place.run("restore", "latest", "--to-postgres", SERVER.conninfo(), "--include", "x", status=2)
    place.run("restore", "latest", "--to-postgres", SERVER.conninfo(), "--data-only", "--schema-only", status=2)
    place.run("restore", "latest", "--to-postgres", SERVER.conninfo(), "--table", "a.b.c", status=2)


def test_parts_are_left_out_when_told_to(place):
    place.run("init")
    create("left", "CREATE TABLE keep (a int); CREATE TABLE gone (a int); CREATE TABLE hollow (a int); INSERT INTO hollow VALUES (1); CREATE SCHEMA s; CREATE TABLE s.t (a int)")
    create("out", "CREATE TABLE t (a int)")
    backup(place, "--exclude-database", "o?t", "--exclude-table", "gone", "--exclude-table-data", "hollow", "--exclude-schema", "s")
    listed = entries(place)
    assert "out" not in listed and "left/data/public.keep" in listed and "left/data/public.gone" not in listed and "left/data/s.t" not in listed, sorted(listed)
    assert "left/data/public.hollow" not in listed
    restore(place, "--database", "left=left2")
    assert SERVER.value("SELECT count(*) FROM hollow", "left2") == "0"
    failed = backup(place, "--database", "nosuch", status=1)
    assert failed["error"]["code"] == "not-found" and "left" in failed["error"]["message"], failed


WIDE = "CREATE TABLE wide (id int, body text); INSERT INTO wide SELECT i, repeat(md5(i::text), 8) FROM generate_series(1, 700000) i"


class Hung:
    """Within it, the server's process that copies rows out of (into) a database stands still in the middle."""

    def __init__(self, database, server=None):
        self.database = database
        self.server = server or SERVER

    def __enter__(self):
        deadline = time.monotonic() + 30
        while True:
            for pid in self.copying():
                os.kill(pid, signal.SIGSTOP)
                if pid in self.copying():
                    self.pid = pid
                    return self
                os.kill(pid, signal.SIGCONT)
            assert time.monotonic() < deadline, "nobody copies"

    def copying(self):
        """By the titles of the server's processes: asking the server takes as long as a small copy."""
        postmaster = (self.server.data / "postmaster.pid").read_text().split()[0]
        for pid in children(int(postmaster)):
            title = process_text(f"{pid}/cmdline").rstrip("\0 ")
            if f" {self.database} " in title and title.endswith(" COPY"):
                yield pid

    def __exit__(self, *_):
        try:
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


def process_text(path):
    """A file below /proc, empty where the process or thread has ended."""
    try:
        return pathlib.Path("/proc", path).read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def children(pid):
    threads = [task.name for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    return [int(child) for thread in threads for child in process_text(f"{pid}/task/{thread}/children").split()]


def written(pid):
    """What a process has written so far, in bytes."""
    figures = process_text(f"{pid}/io").split()
    return int(figures[figures.index("wchar:") + 1]) if figures else 0


def start_backup(place, *arguments, **options):
    return place.start("--json", "backup", "--postgres", SERVER.conninfo(), "--method", "logical", *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def snapshots(place):
    return [record for record in place.json("snapshots") if record["type"] == "snapshot"]


def nobody_copies(database, server=None):
    (server or SERVER).wait_until(f"SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = '{database}' AND query LIKE 'COPY%' AND pid <> pg_backend_pid()")


def test_a_pg_dump_that_is_killed_means_no_snapshot(place):
    place.run("init")
    create("killed", WIDE)
    with start_backup(place, "--database", "killed") as running:
        # One that wrote nothing yet would be begun anew.
        deadline = time.monotonic() + 30
        while not (dumps := [child for child in children(running.pid) if written(child) > 16 << 20]):
            assert time.monotonic() < deadline, "nobody dumps"
        assert len(dumps) == 1, dumps
        os.kill(dumps[0], signal.SIGKILL)
        output, _ = running.communicate(timeout=30)
        assert running.returncode == 1 and b"signal 9" in output, output
    assert not snapshots(place)
    nobody_copies("killed")
    place.run("check", "--read-data")


def test_a_backup_that_is_cancelled_ends_at_once_and_leaves_nobody(place):
    place.run("init")
    create("stopped", WIDE)
    with start_backup(place, "--database", "stopped") as running:
        with Hung("stopped"):
            dumps = children(running.pid)
            begin = time.monotonic()
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=30)
            assert time.monotonic() - begin < 5 and running.returncode == 4, (time.monotonic() - begin, running.returncode)
        assert not [child for child in dumps if pathlib.Path(f"/proc/{child}").exists()]
    assert not snapshots(place)
    nobody_copies("stopped")


def test_a_restore_that_is_cancelled_leaves_no_database_behind(place):
    place.run("init")
    create("undone", WIDE)
    backup(place, "--database", "undone")
    for jobs in ("1", "2"):
        with place.start("restore", "latest", "--to-postgres", SERVER.conninfo(), "--database", "undone", "--replace", "--jobs", jobs, stderr=subprocess.DEVNULL) as running:
            SERVER.wait_until("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname LIKE 'backstay_scratch_%' AND query LIKE 'COPY%'")
            begin = time.monotonic()
            running.send_signal(signal.SIGINT)
            running.wait(30)
            assert time.monotonic() - begin < 5 and running.returncode == 4, (time.monotonic() - begin, running.returncode)
        assert not scratch_left()
        assert SERVER.value("SELECT count(*) FROM wide", "undone") == "700000"


def test_what_a_killed_backup_and_restore_leave_is_cleared_away(place):
    place.run("init")
    create("murder", WIDE)
    with start_backup(place, "--database", "murder") as running:
        with Hung("murder"):
            running.kill()
            running.wait()
    nobody_copies("murder")
    assert not snapshots(place)
    backup(place, "--database", "murder")
    command = ("restore", "latest", "--to-postgres", SERVER.conninfo(), "--database", "murder=murdered")
    with place.start(*command, stderr=subprocess.DEVNULL) as running:
        SERVER.wait_until("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname LIKE 'backstay_scratch_%' AND query LIKE 'COPY%'")
        running.send_signal(signal.SIGSTOP)
        # One that is at work is not disturbed by another.
        create("other", "CREATE TABLE t (a int)")
        backup(place, "--database", "other")
        restore(place, "--database", "other=other2")
        assert len(scratch_left()) == 1, scratch_left()
        running.kill()
        running.wait()
    assert len(scratch_left()) == 1
    SERVER.wait_until("SELECT count(*) = 0 FROM pg_stat_activity WHERE datname LIKE 'backstay_scratch_%'")
    steps = [record for record in place.json("restore", "latest", "--to-postgres", SERVER.conninfo(), "--database", "other=other3", "--dry-run") if record["type"] == "step"]
    assert [step["action"] for step in steps] == ["create", "remove"], steps
    assert len(scratch_left()) == 1
    restore(place, "--database", "other=other3")
    assert not scratch_left()


def test_a_restore_that_fails_leaves_the_old_database_alone(place):
    place.run("init")
    create("failing", "CREATE ROLE fleeting; CREATE TABLE t (a int); ALTER TABLE t OWNER TO fleeting; INSERT INTO t VALUES (1)")
    backup(place, "--database", "failing")
    SERVER.sql("ALTER TABLE t OWNER TO postgres; DROP ROLE fleeting; INSERT INTO t VALUES (2)", "failing")
    failed = restore(place, "--database", "failing", "--replace", "--no-roles", status=1)
    assert "fleeting" in failed["error"]["message"], failed
    assert not scratch_left()
    assert SERVER.value("SELECT count(*) FROM t", "failing") == "2"


def test_a_table_that_vanishes_while_the_dump_begins_is_no_failure(place):
    place.run("init")
    create("vanishing", "CREATE TABLE stays (a int); CREATE TABLE goes (a int)")
    with subprocess.Popen([TOOLS / "psql", "-X", "-q", SERVER.conninfo(database="vanishing")], stdin=subprocess.PIPE, text=True) as other:
        other.stdin.write("BEGIN; LOCK TABLE goes IN ACCESS EXCLUSIVE MODE;\n")
        other.stdin.flush()
        SERVER.wait_until("SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 'goes'::regclass", database="vanishing")
        with start_backup(place, "--database", "vanishing") as running:
            SERVER.wait_until("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = 'vanishing')")
            other.stdin.write("DROP TABLE goes; COMMIT;\n")
            other.stdin.close()
            output, _ = running.communicate(timeout=60)
            assert running.returncode == 0, output
    assert "vanishing/data/public.stays" in entries(place) and "vanishing/data/public.goes" not in entries(place)


def test_a_database_that_vanishes_meanwhile_is_a_problem_unless_it_was_asked_for(place):
    place.run("init")
    others = [option for name in databases() - {"postgres"} for option in ("--exclude-database", name)]
    for arguments, status in ((others, 3), (["--database", "brief"], 1)):
        create("brief", "CREATE TABLE t (a int)")
        with subprocess.Popen([TOOLS / "psql", "-X", "-q", SERVER.conninfo(database="brief")], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as other:
            other.stdin.write("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE;\n")
            other.stdin.flush()
            SERVER.wait_until("SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 't'::regclass", database="brief")
            with start_backup(place, *arguments) as running:
                SERVER.wait_until("SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = 'brief')")
                SERVER.sql("DROP DATABASE brief WITH (FORCE)")
                output, _ = running.communicate(timeout=60)
                assert running.returncode == status, output
    assert "brief/toc" not in entries(place) and "postgres/toc" in entries(place)


def test_a_table_that_stays_locked_ends_the_backup_in_time(place):
    place.run("init")
    create("locked", "CREATE TABLE t (a int)")
    with subprocess.Popen([TOOLS / "psql", "-X", "-q", SERVER.conninfo(database="locked")], stdin=subprocess.PIPE, text=True) as other:
        other.stdin.write("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE;\n")
        other.stdin.flush()
        SERVER.wait_until("SELECT count(*) > 0 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 't'::regclass", database="locked")
        failed = backup(place, "--database", "locked", "--lock-timeout", "1s", status=1)
        assert "LOCK TABLE" in failed["error"]["message"], failed
        other.stdin.close()


def test_a_server_that_crashes_means_no_snapshot_and_an_old_database(place):
    place.run("init")
    with tempfile.TemporaryDirectory(prefix="backstay-postgres-") as folder, PostgresServer(pathlib.Path(folder) / "15") as server:
        create("crash", WIDE, server)
        command = ("--json", "backup", "--postgres", server.conninfo(), "--method", "logical", "--database", "crash")
        with place.start(*command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            with Hung("crash", server) as hung:
                os.kill(hung.pid, signal.SIGKILL)
            output, _ = running.communicate(timeout=60)
            assert running.returncode == 1 and b"pg_dump" in output, output
        assert not snapshots(place)
        wait_for_server(server)
        place.summary(*command[1:])
        server.sql("DELETE FROM wide WHERE id > 5", "crash")
        with place.start("restore", "latest", "--to-postgres", server.conninfo(), "--database", "crash", "--replace", stderr=subprocess.PIPE) as running:
            server.wait_until("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname LIKE 'backstay_scratch_%' AND query LIKE 'COPY%'")
            os.kill(int(server.sql("SELECT pid FROM pg_stat_activity WHERE datname LIKE 'backstay_scratch_%' AND query LIKE 'COPY%'")[0][0]), signal.SIGKILL)
            running.communicate(timeout=60)
            assert running.returncode == 1
        wait_for_server(server)
        assert server.value("SELECT count(*) FROM wide", "crash") == "5"
        assert not [name for name in databases(server) if name.startswith("backstay_")]


def wait_for_server(server):
    deadline = time.monotonic() + 60
    while subprocess.run([TOOLS / "psql", "-X", "-q", server.conninfo(database="postgres"), "-c", "SELECT 1"], check=False, capture_output=True).returncode != 0:
        assert time.monotonic() < deadline, "the server does not come back"
        time.sleep(0.1)


def test_passwords_come_from_a_file_and_never_from_arguments(place):
    place.run("init")
    with tempfile.TemporaryDirectory(prefix="backstay-postgres-") as folder, PostgresServer(pathlib.Path(folder) / "15") as server:
        create("secret", "CREATE TABLE t (a int); INSERT INTO t VALUES (1)", server)
        server.sql("CREATE ROLE admin SUPERUSER LOGIN PASSWORD 'right one'")
        (server.data / "pg_hba.conf").write_text("host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        server.sql("SELECT pg_reload_conf()")
        where = ("--postgres", server.conninfo("admin"), "--method", "logical", "--database", "secret")
        file = place.path / "passwords"

        def write(password):
            file.write_text(f"127.0.0.1:{server.port}:*:admin:{password}\n")
            file.chmod(0o600)

        failed = place.summary("backup", *where, status=1)
        assert "PGPASSFILE" in failed["error"]["message"] or ".pgpass" in failed["error"]["message"], failed
        write("wrong one")
        failed = place.summary("backup", *where, status=1, environment={"PGPASSFILE": str(file)})
        assert failed["error"]["code"] == "denied" and "password" in failed["error"]["message"], failed
        write("right one")
        place.summary("backup", *where, environment={"PGPASSFILE": str(file)})
        place.summary("restore", "latest", "--to-postgres", server.conninfo("admin"), "--database", "secret=again", environment={"PGPASSFILE": str(file)})
        assert server.value("SELECT count(*) FROM t", "again") == "1"
        for conninfo in (server.conninfo("admin") + " password=hidden", f"postgresql://admin:hidden@127.0.0.1:{server.port}/postgres"):
            for command in (("backup", "--postgres", conninfo, "--method", "logical"), ("restore", "latest", "--to-postgres", conninfo)):
                failed = place.summary(*command, status=2)
                assert failed["error"]["code"] == "invalid" and "hidden" not in str(failed), failed


def test_rights_that_are_missing_are_told_before_anything_starts(place):
    place.run("init")
    create("rights", "CREATE EXTENSION pg_stat_statements; CREATE EXTENSION hstore; CREATE TABLE ours (a int); ALTER EXTENSION hstore ADD TABLE ours; CREATE TABLE open (a int); CREATE TABLE shut (a int); CREATE ROLE reader LOGIN; GRANT SELECT ON open TO reader")
    where = ("--postgres", SERVER.conninfo("reader"), "--method", "logical", "--database", "rights")
    failed = place.summary("backup", *where, status=1)
    assert failed["error"]["code"] == "denied" and "public.shut" in failed["error"]["message"] and "pg_read_all_data" in failed["error"]["message"], failed
    SERVER.sql("GRANT SELECT ON shut TO reader", "rights")
    assert place.summary("backup", *where, status=3)["problems"] == 1  # roles' passwords
    assert place.summary("backup", *where, "--no-role-passwords")["problems"] == 0
    SERVER.sql("REVOKE CONNECT ON DATABASE rights FROM PUBLIC")
    failed = place.summary("backup", *where, "--no-role-passwords", status=1)
    assert failed["error"]["code"] == "denied" and "CONNECT" in failed["error"]["message"], failed


def programs(place, **scripts):
    """A folder with PostgreSQL's programs, some of them replaced."""
    folder = place.path / f"programs-{'-'.join(scripts)}"
    folder.mkdir()
    for name in ("pg_dump", "pg_dumpall", "pg_restore"):
        if name in scripts:
            (folder / name).write_text("#!/bin/sh\n" + scripts[name])
            (folder / name).chmod(0o755)
        else:
            (folder / name).symlink_to(TOOLS / name)
    return folder


def test_a_pg_dump_that_is_too_old_is_told_before_anything_starts(place):
    place.run("init")
    old = programs(place, pg_dump="echo 'pg_dump (PostgreSQL) 14.9'\n")
    failed = backup(place, "--postgres-programs", old, status=1)
    assert failed["error"]["code"] == "unsupported" and "14.9" in failed["error"]["message"] and "15" in failed["error"]["message"], failed
    failed = backup(place, "--postgres-programs", place.path, status=1)
    assert failed["error"]["code"] == "not-found", failed


def test_an_archive_that_is_not_understood_is_kept_whole_and_comes_back(place):
    place.run("init")
    create("packed", "CREATE TABLE t (a int); INSERT INTO t VALUES (7)")
    strange = programs(place, pg_dump=f'case $1 in --version) exec {TOOLS}/pg_dump "$@" ;; esac\nexec {TOOLS}/pg_dump "$@" --compress=5\n')
    records = place.json("backup", "--postgres", SERVER.conninfo(), "--method", "logical", "--database", "packed", "--postgres-programs", strange)
    source, = [record for record in records if record["type"] == "source"]
    assert "one stream" in source["message"] and "compressed" in source["message"], source
    assert "packed/archive" in entries(place)
    backup_text = ("backup", "--postgres", SERVER.conninfo(), "--method", "logical", "--database", "packed", "--postgres-programs", strange)
    place.run(*backup_text)
    assert "one stream" in place.stderr, place.stderr
    assert "one stream" in place.run("show", "latest").decode()
    restore(place, "--database", "packed=unpacked")
    assert SERVER.value("SELECT a FROM t", "unpacked") == "7"
    assert restore(place, "--database", "packed=part", "--table", "t", status=1)["error"]["code"] == "unsupported"
    assert not scratch_left()


def test_a_pg_dump_that_writes_no_archive_is_a_failure(place):
    place.run("init")
    create("nonsense", "CREATE TABLE t (a int)")
    broken = programs(place, pg_dump=f'case $1 in --version) exec {TOOLS}/pg_dump "$@" ;; esac\n{TOOLS}/pg_dump "$@" | head -c 900; exit 0\n')
    backup_status = backup(place, "--database", "nonsense", "--postgres-programs", broken, status=0)
    assert backup_status["problems"] == 0  # it says that it ended well: kept as it is
    silent = programs(place, pg_dumpall="echo 'pg_dumpall (PostgreSQL) 15.1'; exit 0\n", pg_dump="case $1 in --version) echo 'pg_dump (PostgreSQL) 15.1' ;; esac; exit 0\n")
    failed = backup(place, "--database", "nonsense", "--postgres-programs", silent, status=1)
    assert "without writing anything" in failed["error"]["message"], failed


def test_a_dump_of_15_comes_back_in_17_with_all_its_databases(place):
    place.run("init")
    with tempfile.TemporaryDirectory(prefix="backstay-postgres-") as folder:
        with PostgresServer(pathlib.Path(folder) / "15") as old:
            create("shop", SHOP, old)
            create("Ü n/i.c%", "CREATE TABLE t (a int); INSERT INTO t VALUES (1)", old)
            old.sql("CREATE ROLE app LOGIN PASSWORD 'x'; CREATE TABLE noted (a int); INSERT INTO noted VALUES (3)")
            old.sql("ALTER TABLE orders OWNER TO app", "shop")
            place.summary("backup", "--postgres", old.conninfo(), "--method", "logical")
            sums = old.sql("SELECT sum(id), count(note), sum(doubled) FROM orders", "shop")
            objects = old.sql("SELECT md5(lo_get(3000000000))", "shop")
        with PostgresServer(pathlib.Path(folder) / "17", "17") as new:
            summary = place.summary("restore", "latest", "--to-postgres", new.conninfo(), "--jobs", "2", "--verify")
            assert summary["problems"] == 0, summary
            assert new.sql("SELECT sum(id), count(note), sum(doubled) FROM orders", "shop") == sums
            assert new.sql("SELECT md5(lo_get(3000000000))", "shop") == objects
            assert new.value("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'", "shop") == "app"
            assert new.value("SELECT count(*) FROM t", "Ü n/i.c%") == "1"
            assert new.value("SELECT a FROM noted", "postgres") == "3"  # it was there, but empty
            assert databases(new) == {"postgres", "template0", "template1", "shop", "Ü n/i.c%"}
            failed = place.summary("backup", "--postgres", new.conninfo(), "--method", "logical", status=1)
            assert failed["error"]["code"] == "unsupported" and "17" in failed["error"]["message"], failed


def test_a_dump_of_15_comes_back_in_17_by_the_programs_of_17(place):
    # Dumped by 15's own: Debian updates that server, and an older pg_dump 17 may write out what it does not know of it.
    place.run("init")
    create("upgraded")
    backup(place, "--database", "upgraded")
    with tempfile.TemporaryDirectory(prefix="backstay-postgres-") as folder, PostgresServer(pathlib.Path(folder) / "17", "17") as new:
        summary = place.summary("restore", "latest", "--to-postgres", new.conninfo(), "--database", "upgraded", "--jobs", "2", "--verify", "--postgres-programs", tools("17"))
        assert summary["problems"] == 0, summary
        theirs = SERVER.sql("SELECT id, customer, note, doubled FROM orders ORDER BY id", "upgraded")
        assert new.sql("SELECT id, customer, note, doubled FROM orders ORDER BY id", "upgraded") == theirs
        assert new.tool_of("17", "pg_dump", "-d", "upgraded", "--data-only", "-t", "customers").count("name ") == 200
        new.tool_of("17", "pg_amcheck", "--install-missing", "--heapallindexed", "-d", "upgraded")


NEWER = {"16": "CREATE TABLE newer (a text STORAGE EXTERNAL COMPRESSION pglz)",
         "17": "CREATE TABLE newer (a int GENERATED BY DEFAULT AS IDENTITY (START 7), b int) PARTITION BY LIST (b)",
         "18": "CREATE TABLE newer (a int, b int GENERATED ALWAYS AS (a * 2) VIRTUAL, c int); INSERT INTO newer (a) VALUES (4); ALTER TABLE newer ADD CONSTRAINT filled NOT NULL c NOT VALID; "
               "CREATE TABLE child (a int REFERENCES chicken NOT ENFORCED)"}


def its_own_programs(place, version):
    place.run("init")
    with tempfile.TemporaryDirectory(prefix="backstay-postgres-") as folder, PostgresServer(pathlib.Path(folder) / version, version) as server:
        create("shop", SHOP + NEWER[version], server)
        server.sql("CREATE ROLE app LOGIN PASSWORD 'x'; GRANT pg_read_all_data TO app")
        server.sql("ALTER TABLE orders OWNER TO app; ANALYZE", "shop")
        before = dump("shop", server)
        where = ("--postgres", server.conninfo(), "--method", "logical", "--postgres-programs", tools(version))
        to = ("--to-postgres", server.conninfo(), "--postgres-programs", tools(version), "--verify")
        records = place.json("backup", *where)
        source, = [record for record in records if record["type"] == "source"]
        assert source["message"] == "" and records[-1]["problems"] == 0, records
        listed = entries(place)
        assert "shop/toc" in listed and "shop/data/public.orders" in listed and "shop/data/large-objects" in listed, sorted(listed)
        again = place.summary("backup", *where)
        assert again["bytes_new"] < records[-1]["bytes_new"] / 2, (records[-1], again)
        for jobs in ("1", "3"):
            assert place.summary("restore", "latest", *to, "--database", f"shop=shop{jobs}", "--jobs", jobs)["problems"] == 0
            demand_equal(dump(f"shop{jobs}", server), before)
        server.sql("DROP TABLE orders CASCADE", "shop")
        assert place.summary("restore", "latest", *to, "--database", "shop", "--table", "orders")["entries"] == 1
        assert place.summary("restore", "latest", *to, "--database", "shop=half", "--schema", "My Schema", "--table", "parts")["problems"] == 0
        server.sql("DROP DATABASE shop")
        server.sql("DROP DATABASE shop1; DROP DATABASE shop3; DROP OWNED BY app; DROP ROLE app")
        assert place.summary("restore", "latest", *to)["problems"] == 0
        demand_equal(dump("shop", server), before)
        server.tool_of(version, "pg_amcheck", "--install-missing", "--heapallindexed", "-d", "shop")


def own_programs_of(version):
    def test(place):
        its_own_programs(place, version)
    test.__name__ = f"test_databases_of_{version}_come_back_by_its_own_programs"
    return test


def test_the_oldest_server_is_saved_and_restored_by_newer_programs(place):
    place.run("init")
    with tempfile.TemporaryDirectory(prefix="backstay-postgres-") as folder, PostgresServer(pathlib.Path(folder) / "13", "13") as server:
        create("old", SHOP, server)
        server.sql("ALTER DATABASE old SET work_mem = '9MB'; GRANT CONNECT ON DATABASE old TO postgres")
        place.summary("backup", "--postgres", server.conninfo(), "--method", "logical")
        assert place.summary("restore", "latest", "--to-postgres", server.conninfo(), "--database", "old=new", "--verify")["problems"] == 0
        assert dump("old", server) == dump("new", server)
        assert place.summary("restore", "latest", "--to-postgres", server.conninfo(), "--replace", "--jobs", "2", "--verify")["problems"] == 0
        assert dump("old", server) == dump("new", server)


def test_a_database_in_another_encoding_comes_back(place):
    place.run("init")
    SERVER.sql("CREATE DATABASE latin ENCODING LATIN1 TEMPLATE template0")
    SERVER.sql("""SET client_encoding = 'UTF8'; CREATE TABLE "tä" (a text); INSERT INTO "tä" VALUES ('ö'), (chr(228))""", "latin")
    backup(place, "--database", "latin")
    assert restore(place, "--database", "latin=latin2", "--verify")["problems"] == 0
    assert SERVER.sql("""SET client_encoding = 'UTF8'; SELECT a FROM "tä" """, "latin2") == [["ö"], ["ä"]]
    assert SERVER.value("SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'latin2'") == "LATIN1"
    assert dump("latin", SERVER, "--encoding=UTF8") == dump("latin2", SERVER, "--encoding=UTF8")


def test_a_restored_table_that_was_changed_is_found_by_verify(place):
    place.run("init")
    create("trigger", "CREATE TABLE t (a int); INSERT INTO t SELECT generate_series(1, 100)")
    backup(place, "--database", "trigger")
    create("altered", "CREATE TABLE t (a int)")
    # Somebody changes rows as they come in.
    SERVER.sql("CREATE FUNCTION plus() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.a := NEW.a + 1; RETURN NEW; END'; DROP TABLE t", "altered")
    SERVER.sql("CREATE FUNCTION on_create() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN IF to_regclass('public.t') IS NOT NULL AND NOT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'p') THEN "
               "CREATE TRIGGER p BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.plus(); END IF; END$$; CREATE EVENT TRIGGER e ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION on_create()", "altered")
    assert restore(place, "--database", "trigger=altered", "--table", "t", "--verify", status=3)["problems"] == 1


def main():
    global SERVER  # one server for all: pylint: disable=global-statement
    memory_folder.use()
    with tempfile.TemporaryDirectory(prefix="backstay-postgres-") as folder, PostgresServer(pathlib.Path(folder) / "15") as SERVER:
        names = sys.argv[2:]
        versions = ["17", "18"] + (["16"] if os.environ.get("BACKSTAY_TESTS_LONG") else [])
        tests = [test for name, test in globals().items() if name.startswith("test_")] + [own_programs_of(version) for version in versions]
        return run_all([test for test in tests if not names or test.__name__ in names], sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
