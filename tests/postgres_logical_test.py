#!/usr/bin/env python3
"""Databases of real servers, saved by pg_dump table by table, and restored: compared by PostgreSQL's own tools. postgres_logical_test.py COMMAND"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from command_line import run_all  # noqa: E402
from postgres_server import TOOLS, PostgresServer  # noqa: E402

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
    text = server.tool("pg_dump", *arguments, "-d", database)
    return [line for line in text.splitlines() if line and not line.startswith(("--", "\\restrict", "\\unrestrict"))]


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


def test_a_snapshot_lists_tables_and_shows_their_rows(place):
    place.run("init")
    create("listed")
    backup(place, "--database", "listed")
    listed = entries(place)
    assert listed["listed/data/public.empty"]["size"] == 0
    assert listed["listed/data/public.orders"]["size"] > 3000
    for name in ('listed/data/My Schema.T%2Eable "q" %2Fx', 'listed/data/My Schema.t%2Eable "q" %2Fx', "listed/data/public.ünïcode %2541%23", "listed/data/large-objects", "globals.sql"):
        assert name in listed, (name, sorted(listed))
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
    # Somebody who is connected is no obstacle.
    with subprocess.Popen([TOOLS / "psql", "-X", "-q", SERVER.conninfo(database="lives"), "-c", "SELECT pg_sleep(60)"], stderr=subprocess.DEVNULL) as session:
        SERVER.wait_until("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = 'lives' AND query LIKE '%pg_sleep%'")
        assert restore(place, "--database", "lives", "--replace")["problems"] == 0
        session.wait(30)
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


def main():
    global SERVER  # one server for all: pylint: disable=global-statement
    with tempfile.TemporaryDirectory(prefix="backstay-postgres-") as folder, PostgresServer(pathlib.Path(folder) / "15") as SERVER:
        names = sys.argv[2:]
        tests = [test for name, test in globals().items() if name.startswith("test_") and (not names or name in names)]
        return run_all(tests, sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
