"""What PostgreSQL's own tools say of a restored cluster: each must be content."""

from postgres_server import run_as_owner, tools

SPACE_OF_15 = "PG_15_202209061"  # where its pg_checksums looks in a tablespace's folder


def demand_fitting_manifest(data, version):
    """Before the first start: every file, by size and sum, and (by their own version's tool) the log that it needs."""
    run_as_owner(tools(version) / "pg_verifybackup", "-q", *(["-n"] if version < "15" else []), data)


def demand_sound_tables(server):
    """Of every database: that tables are sound, and that indexes have what tables have."""
    databases = [name for name, in server.sql("select datname from pg_database where datallowconn")]
    if server.version >= "14":
        server.tool_of(server.version, "pg_amcheck", "--install-missing", "--heapallindexed", *[argument for name in databases for argument in ("-d", name)])
        return
    for name in databases:  # the tool needs a server of 14
        server.sql("create extension if not exists amcheck; select bt_index_check(indexrelid, true) from pg_index join pg_class on oid = indexrelid where relam = 403 and relpersistence = 'p'", name)


def demand_right_checksums(data, version):
    """Of every page, after a clean stop."""
    others = [] if version >= "15" else [space for link in (data / "pg_tblspc").iterdir() for space in link.resolve().glob(f"PG_{version}_*")]
    for space in others:  # 15's tool knows the pages of 13 and 14, but not where theirs are
        (space.parent / SPACE_OF_15).symlink_to(space.name)
    run_as_owner(tools(version) / "pg_checksums", "--check", "-D", data)
    for space in others:
        (space.parent / SPACE_OF_15).unlink()
