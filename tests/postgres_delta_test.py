#!/usr/bin/env python3
"""Restores of physical backups into clusters that are there already.

    postgres_delta_test.py COMMAND [NAME…]"""

import os
import shutil
import signal
import subprocess
import sys
import time

from postgres_physical_test import back_up, demand_equal_sums, empty_folder, fill, recovered, restored  # pylint: disable=wrong-import-order

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))

from cluster_checks import demand_fitting_manifest, demand_right_checksums, demand_sound_tables  # noqa: E402  pylint: disable=wrong-import-position
from command_line import run_all  # noqa: E402  pylint: disable=wrong-import-position
from postgres_server import PostgresServer  # noqa: E402  pylint: disable=wrong-import-position

BEFORE = "create table witness tablespace one as select g from generate_series(1, 3000) g"
AFTER = "update pgbench_accounts set abalance = abalance + 1 where aid % 1000 = 0; drop table witness; create table newer as select g from generate_series(1, 3000) g"


def delta(place, data, *more):
    return place.summary("restore", "latest", "--to-postgres-directory", data, "--delta", *more)


def refused(place, data, *more):
    """What it says."""
    return place.run("restore", "latest", "--to-postgres-directory", data, "--delta", *more, status=1).decode()


def backed_up_and_changed(place, server):
    """A cluster with a tablespace, saved, then changed, stopped."""
    space = empty_folder(place.path / "space")
    (space / "beside").write_text("the operator's own")
    fill(server)
    server.sql(f"create tablespace one location '{space}'")
    server.sql(BEFORE)
    server.sql("checkpoint")
    back_up(place, server)
    server.sql(AFTER)
    (server.data / "base" / "stray").mkdir()
    (server.data / "base" / "stray" / "file").write_text("not the cluster's")
    return space


def demand_saved_state(server):
    with server:
        recovered(server)
        demand_equal_sums(server)
        assert server.value("select count(*) from witness") == "3000"
        assert server.value("select to_regclass('newer') is null") == "t"
        demand_sound_tables(server)
        server.stop(signal.SIGINT)
    demand_right_checksums(server.data, server.version)


def return_of(version):
    def test(place):
        go_back(place, version)
    test.__name__ = f"a_cluster_of_{version}_goes_back_to_what_it_was"
    return test


def go_back(place, version):
    place.run("init")
    server = PostgresServer(place.path / "server", version)
    with server:
        space = backed_up_and_changed(place, server)
        assert "postmaster.pid" in refused(place, server.data)
    twin = server.data / "base" / "1" / "1259"
    os.link(twin, place.path / "twin")
    before = (place.path / "twin").read_bytes()
    link = next((server.data / "pg_tblspc").iterdir())
    link_inode = link.lstat().st_ino
    records = place.json("restore", "latest", "--to-postgres-directory", server.data, "--delta", "--dry-run")
    steps = [(record["action"], record["path"]) for record in records if record["type"] == "step"]
    assert ("update", str(server.data)) in steps and ("update", str(space)) in steps, steps
    assert ("remove", f"{server.data}/base/stray") in steps, steps
    assert (server.data / "base" / "stray" / "file").exists()
    room, = [record["bytes"] for record in records if record["type"] == "space"]
    assert 0 < room < 20 << 20, f"{room}: of a cluster of 50 MB most is there"
    done = delta(place, server.data, "--verify")
    assert done["bytes_reused"] > done["bytes_written"], done
    assert not (server.data / "base" / "stray").exists()
    assert not (server.data / "global" / "pg_control.backstay").exists()
    assert (space / "beside").read_text() == "the operator's own"
    (space / "beside").unlink()  # the manifest does not know it
    assert link.lstat().st_ino == link_inode, "without it an interrupted restore would not know the tablespace again"
    assert (place.path / "twin").read_bytes() == before and twin.stat().st_nlink == 1
    demand_fitting_manifest(server.data, version)
    demand_saved_state(server)


def an_interrupted_restore_is_taken_up_by_the_next(place):
    place.run("init")
    server = PostgresServer(place.path / "server")
    with server:
        backed_up_and_changed(place, server)
    hidden = server.data / "global" / "pg_control.backstay"
    process = place.start("restore", "latest", "--to-postgres-directory", server.data, "--delta", stdout=subprocess.DEVNULL)
    while process.poll() is None and not hidden.exists():
        time.sleep(0.0005)
    process.kill()
    process.wait()
    assert hidden.exists(), "it was over before it could be killed"
    assert not (server.data / "global" / "pg_control").exists()
    delta(place, server.data)
    demand_saved_state(server)


def a_damaged_repository_leaves_a_cluster_that_does_not_start(place):
    """And the repaired one brings it back."""
    place.run("init")
    server = PostgresServer(place.path / "server")
    with server:
        backed_up_and_changed(place, server)
    for table in (server.data / "base").rglob("*"):
        if table.is_file() and table.stat().st_size > 1 << 20:
            table.unlink()
    largest = max((path for path in (place.path / "repository").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    shutil.move(largest, place.path / "aside")
    refused(place, server.data)
    control = server.data / "global" / "pg_control"
    assert not control.exists()
    control.touch()  # as one that was interrupted at its very end leaves it
    refused(place, server.data)
    assert not control.exists() and control.with_name("pg_control.backstay").stat().st_size > 0
    shutil.move(place.path / "aside", largest)
    delta(place, server.data)
    demand_saved_state(server)


def a_log_on_another_disk_is_looked_at_and_left_alone(place):
    place.run("init")
    server = PostgresServer(place.path / "server")
    with server:
        backed_up_and_changed(place, server)
    log = place.path / "log"
    shutil.move(server.data / "pg_wal", log)
    (server.data / "pg_wal").symlink_to(log)
    waiting = log / "archive_status" / "000000010000000000000001.ready"
    waiting.touch()
    assert "not archived" in refused(place, server.data)
    waiting.unlink()
    before = sorted(os.listdir(log))
    delta(place, server.data)
    assert sorted(os.listdir(log)) == before and not (server.data / "pg_wal").is_symlink()
    demand_saved_state(server)


def a_tablespace_in_the_cluster_s_folder_is_refused(place):
    place.run("init")
    server = PostgresServer(place.path / "server")
    with server:
        space = backed_up_and_changed(place, server)
    inside = server.data / "spaces" / "one"
    assert "map it elsewhere" in refused(place, server.data, "--map-tablespace", f"{space}={inside}")
    assert not inside.exists() and (server.data / "global" / "pg_control").exists()
    inside.parent.mkdir()
    shutil.move(space, inside)
    link = next((server.data / "pg_tblspc").iterdir())
    link.unlink()
    link.symlink_to(inside)
    assert "map it elsewhere" in refused(place, server.data, "--map-tablespace", f"{space}={inside}")
    assert (inside / "beside").exists() and (server.data / "global" / "pg_control").exists()


def what_is_not_this_cluster_is_not_touched(place):
    place.run("init")
    server = PostgresServer(place.path / "server")
    with server:
        space = backed_up_and_changed(place, server)
    filled = empty_folder(place.path / "filled")
    (filled / "precious").write_text("still here")
    assert "pg_control" in refused(place, filled)
    assert os.listdir(filled) == ["precious"]
    other = PostgresServer(place.path / "other")
    with other:
        pass
    assert "another cluster" in refused(place, other.data, "--map-tablespace", f"{space}={place.path}/new")
    assert not (place.path / "new").exists()
    # A filled folder that is no tablespace of this cluster.
    assert "map it elsewhere" in refused(place, server.data, "--map-tablespace", f"{space}={filled}")
    assert os.listdir(filled) == ["precious"]
    waiting = server.data / "pg_wal" / "archive_status" / "000000010000000000000001.ready"
    waiting.touch()
    assert "not archived" in refused(place, server.data)
    assert waiting.exists()
    waiting.unlink()
    # An empty folder and an absent one are filled as ever.
    with restored(place, "15", "--delta", "--map-tablespace", f"{space}={place.path}/new") as copy:
        recovered(copy)
        assert copy.value("select count(*) from witness") == "3000"


TESTS = [
    an_interrupted_restore_is_taken_up_by_the_next,
    a_damaged_repository_leaves_a_cluster_that_does_not_start,
    a_log_on_another_disk_is_looked_at_and_left_alone,
    a_tablespace_in_the_cluster_s_folder_is_refused,
    what_is_not_this_cluster_is_not_touched,
]


def main():
    names = sys.argv[2:]
    versions = ["13", "15", "17", "18"] + (["14", "16"] if os.environ.get("BACKSTAY_TESTS_LONG") else [])
    tests = [return_of(version) for version in versions] + TESTS
    return run_all([test for test in tests if not names or any(name in test.__name__ for name in names)], sys.argv[1])


if __name__ == "__main__":
    sys.exit(main())
