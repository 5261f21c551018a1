#!/usr/bin/env python3
"""The command as people and scripts use it: words, exit statuses, records, faults, kill -9. command_test.py COMMAND"""

import io
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from command_line import run_all  # noqa: E402

LONG = bool(os.environ.get("BACKSTAY_TESTS_LONG"))


def make_files(folder, seed=1, count=30):
    generator = random.Random(seed)
    folder.mkdir(exist_ok=True)
    for number in range(count):
        sub = folder / f"folder {number % 3}"
        sub.mkdir(exist_ok=True)
        (sub / f"file {number}").write_bytes(generator.randbytes(generator.choice([0, 10, 5000, 200_000])))


def assert_same(a, b):
    done = subprocess.run(["diff", "-r", "--no-dereference", a, b], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def restore_all(place, expected):
    """Every snapshot, byte for byte, against copies by id."""
    for snapshot, copy in expected.items():
        back = place.path / "back"
        shutil.rmtree(back, ignore_errors=True)
        place.run("restore", f"{snapshot}:{place.path / 'live'}", "--to", back, "--verify")
        assert_same(copy, back)


def main_job_runs_end_to_end(place):
    live = place.path / "live"
    make_files(live)
    place.run("init")
    first = place.summary("backup", live, "--tag", "one")
    assert first["entries_new"] > 30 and first["problems"] == 0 and len(first["snapshot"]) == 64
    (live / "new").write_text("new\n")
    second = place.summary("backup", live)
    assert second["parent"] == first["snapshot"]
    assert second["entries_new"] == 1
    records = place.json("diff", "latest~1", "latest")
    assert [(r["change"], r["path"]) for r in records[:-1]] == [("added", "files" + str(live / "new"))], records
    assert place.run("cat", f"latest:{live / 'new'}") == b"new\n"
    restore_all(place, {second["snapshot"]: live})
    assert place.summary("check", "--read-data")["verdict"] == "ok"
    assert place.summary("verify", "latest")["differences"] == 0
    assert place.summary("scrub")["problems"] == 0
    assert {r["id"] for r in place.json("snapshots", "--tag", "one")[:-1]} == {first["snapshot"]}
    assert any(r["path"].endswith("/new") for r in place.json("find", "new")[:-1])
    assert place.summary("stats")["snapshots"] == 2


def a_backup_without_changes_reads_nothing(place):
    live = place.path / "live"
    make_files(live)
    for folder, _, files in os.walk(live):
        for name in files:
            os.utime(os.path.join(folder, name), (1_000_000_000, 1_000_000_000))
    place.run("init")
    time.sleep(3.2)  # change times younger than two seconds are not believed
    place.summary("backup", live)
    (place.path / "beside").mkdir()  # changes the folder above
    again = place.summary("backup", live)
    skipped = place.summary("backup", live, "--skip-if-unchanged")
    assert again["bytes_read"] == 0 and again["entries_changed"] == 0 and again["bytes_new"] == 0, again
    assert place.summary("backup", live, "--force")["bytes_read"] > 0
    assert skipped["snapshot"] == ""


def nothing_changed_is_told_of_files_that_were_young(place):
    live = place.path / "live"
    make_files(live, count=6)
    place.run("init")

    def saved(*options):
        return place.summary("backup", live, "--skip-if-unchanged", *options)["snapshot"] != ""
    assert saved()
    time.sleep(3.2)  # those files' change tokens are void in the snapshot
    assert not saved() and not saved("--tag", "other") and not saved("--force")
    one = next(live.rglob("file 0"))
    os.utime(one, ns=(1, one.stat().st_mtime_ns))  # another change time, nothing else
    assert not saved()
    for change in (lambda: one.chmod(0o600), lambda: one.write_text("x"), lambda: os.link(one, live / "link"), lambda: (live / "link").unlink(),
                   lambda: one.unlink(), lambda: (live / "empty").mkdir(), lambda: (live / "empty").rmdir()):
        change()
        assert saved() and not saved()


def attributes_set_between_two_backups_are_kept(place):
    live = place.path / "live"
    make_files(live, count=3)
    changing, steady = live / "folder 0" / "file 0", live / "folder 1" / "file 1"
    os.setxattr(steady, "user.steady", b"1")
    time.sleep(3.2)  # change times younger than two seconds are not believed
    place.run("init")
    place.run("backup", live)
    os.setxattr(changing, "user.new", b"2")
    place.run("backup", live)
    place.run("restore", f"latest:{live}", "--to", place.path / "back")
    back = place.path / "back"
    assert os.getxattr(back / "folder 0" / "file 0", "user.new") == b"2"
    assert os.getxattr(back / "folder 1" / "file 1", "user.steady") == b"1"


def standard_input_and_commands_become_streams(place):
    place.run("init")
    place.run("backup", "--stdin-name", "dump.sql", stdin=b"select 1;\n" * 1000)
    assert place.run("cat", "latest:stream/dump.sql") == b"select 1;\n" * 1000
    place.run("backup", "--command-name", "hello", "--", "printf", "%s", "hello there")
    assert place.run("cat", "latest:stream/hello") == b"hello there"
    before = len(place.json("snapshots"))
    place.run("backup", "--command-name", "bad", "--", "sh", "-c", "echo partial; echo why >&2; exit 3", status=1)
    assert "why" in place.stderr and "3" in place.stderr, place.stderr
    place.run("backup", "--command-name", "none", "--", "/no/such/program", status=1)
    assert len(place.json("snapshots")) == before


def unreadable_files_are_listed_and_the_status_is_3(place):
    live = place.path / "live"
    make_files(live)
    place.run("init")
    missing = place.path / "missing"
    records = place.json("backup", live, missing, status=3)
    assert any(r["type"] == "problem" and r["path"] == str(missing) for r in records), records
    assert records[-1]["problems"] == 1 and records[-1]["snapshot"]
    assert "missing" in place.run("show", "latest").decode() + place.stderr
    restore_all(place, {"latest": live})
    place.run("backup", missing, status=1)  # nothing to save at all


def wrong_usage_is_2_and_names_the_nearest_word(place):
    place.run("bakcup", status=2)
    assert "backup" in place.stderr
    place.run("backup", "--exclud", "x", "/etc", status=2)
    assert "--exclude" in place.stderr
    place.run("backup", status=2)
    place.run("restore", "latest", status=2)
    place.run("init")
    place.run("forget", status=2)
    place.run("prune", "--max-unused", "lots", status=2)
    place.run("diff", "latest", status=2)
    assert "needs B" in place.stderr, place.stderr
    place.run("export", "latest", "-o", status=2)
    assert "-o needs FILE" in place.stderr, place.stderr
    for words in (("forget",), ("forget", "--nothing-like-it")):
        record = place.json(*words, status=2)[-1]
        assert record["type"] == "summary" and record["command"] == "forget" and record["error"]["code"] == "invalid", record
    place.run("help", "backup", "restore", status=2)
    assert "'restore' is one argument too many" in place.stderr, place.stderr


def a_value_that_cannot_be_is_refused_before_anything_is_opened(place):
    """There is no repository: whoever opened it would fail with 1."""
    long_text = "x" * 70_000
    for arguments, word in [
        (("--color", "maybe", "ls", "latest"), "auto, always, never"), (("--color", "alway", "ls", "latest"), "'always'"),
        (("--memory", "1", "ls", "latest"), "32.0 MiB"), (("--threads", "many", "ls", "latest"), "threads"), (("--s3-addressing", "x", "ls", "latest"), "virtual"),
        (("backup", "/etc", "--exclude", "[a"), "'['"), (("backup", "/etc", "--iexclude", "a\\"), "iexclude"), (("backup", "/etc", "--exclude-if-present", "a/b"), "'a/b'"),
        (("backup", "/etc", "--exclude-larger-than", "1q"), "1q"), (("backup", "/etc", "--tag", "a\nb"), "tag"), (("backup", "/etc", "--tag", "ok," + long_text), "256"),
        (("backup", "/etc", "--comment", long_text), "comment"), (("backup", "/etc", "--time", "soon"), "soon"), (("backup", "/etc", "--filter", "X"), "'X'"),
        (("restore", "latest", "--to", "x", "--include", "[a"), "'['"), (("restore", "latest", "--to", "x", "--exclude", "a\\"), "exclude"), (("restore", "latest", "--to", "x", "--overwrite", "x"), "if-newer"),
        (("find", "--tag", "", "x"), "tag"), (("find", "[a"), "'['"), (("snapshots", "--group-by", "x"), "host, path and tag"), (("snapshots", "--kind", "x"), "backup, log, all"),
        (("forget", "--keep-last", "x"), "keep-last"), (("forget", "--keep-within", "3x"), "3x"), (("forget", "--tag", "", "--keep-last", "1"), "every snapshot"), (("forget", "--keep-last", "1", "--max-unused", "x"), "max-unused"),
        (("prune", "--max-unused", "lots"), "lots"), (("prune", "--fence-after", "x"), "fence-after"), (("check", "--read-data=101"), "101"), (("scrub", "--percent=x"), "percent"), (("list", "pack"), "'packs'"),
        (("tag", "latest", "--add", "a\nb"), "add"), (("export", "latest", "--format", "rar", "-o", "x"), "tar.zst"),
    ]:
        place.run(*arguments, status=2)
        assert word in place.stderr and len(place.stderr) < 1000, (arguments, place.stderr)
    (place.path / "patterns").write_text("fine\n[a\n")
    place.run("backup", "/etc", "--exclude-file", place.path / "patterns", status=2)
    assert not os.path.exists(place.environment["BACKSTAY_REPOSITORY"])


def lists_come_from_standard_input(place):
    live = place.path / "live"
    make_files(live, count=6)
    place.run("init")
    place.run("backup", "--files-from", "-", stdin=f"# two of three\n{live}/folder 0\r\n\n{live}/folder 1\n".encode())
    assert place.json("snapshots")[-2]["paths"] == [f"{live}/folder 0", f"{live}/folder 1"]
    place.run("backup", "--files-from-raw", "-", stdin=f"{live}/folder 2\0".encode())
    assert place.json("snapshots")[-2]["paths"] == [f"{live}/folder 2"]
    place.run("backup", "--files-from", "-", stdin=b"# nothing\n", status=2)
    place.run("backup", live, "--exclude-file", "-", stdin=b"folder 1\n")
    assert not any("folder 1" in r["path"] for r in place.json("ls", "latest", "--recursive")[:-1])
    place.run("restore", f"latest:{live}", "--to", place.path / "back", "--include-file", "-", stdin=b"folder 0\r\n")
    assert os.listdir(place.path / "back") == ["folder 0"]


def a_passphrase_may_hold_a_line_end(place):
    secret = place.path / "secret"
    for passphrase, text in ((b"two\nlines", b"two\nlines\n"), (b"end\n", b"end\n\n"), (b"plain", b"plain\r\n"), (b"bare", b"bare")):
        shutil.rmtree(place.environment["BACKSTAY_REPOSITORY"], ignore_errors=True)
        secret.write_bytes(text)
        by_value = {"BACKSTAY_KEY_FILE": "", "BACKSTAY_PASSPHRASE": os.fsdecode(passphrase)}
        by_file = {"BACKSTAY_KEY_FILE": "", "BACKSTAY_PASSPHRASE_FILE": str(secret)}
        place.run("init", environment=by_value)
        place.run("snapshots", environment=by_file)
        place.run("snapshots", "--passphrase-command", f"cat '{secret}'", environment={"BACKSTAY_KEY_FILE": ""})


def an_empty_value_takes_no_other_word_for_itself(place):
    live, other = place.path / "live", place.path / "other"
    make_files(live, count=3)
    make_files(other, count=3)
    place.run("init")
    for empty in (("--exclude", ""), ("--exclude=",), ("--exclude-file", "")):
        place.run("backup", live, *empty, other, status=2)
        assert empty[0].strip("-=") in place.stderr, place.stderr
    for empty in (("--comment", ""), ("--comment=",), ("--tag", "")):
        place.run("backup", live, *empty, other)
        assert place.json("snapshots")[-2]["paths"] == [str(live), str(other)], empty
    place.run("restore", "latest", "--to", "", "-q", status=2)
    assert not os.path.exists("-q") and "path" in place.stderr, place.stderr
    place.run("forget", "--keep-last", "1", "--group-by", "", "--dry-run")
    assert len(place.json("snapshots")) - 1 == 3
    place.run("help", "bakcup", status=2)
    assert "backup" in place.stderr


def wrong_keys_and_places_are_refused_clearly(place):
    place.run("snapshots", status=1)
    assert "init" in place.stderr, place.stderr
    place.run("init")
    place.run("init", status=1)
    other = place.path / "other"
    other.write_bytes(os.urandom(32))
    place.run("snapshots", status=1, environment={"BACKSTAY_KEY_FILE": str(other)})
    place.run("snapshots", status=1, environment={"BACKSTAY_KEY_FILE": "", "BACKSTAY_PASSPHRASE": "guess"})
    place.run("restore", "deadbeef", "--to", place.path / "x", status=1)
    assert not (place.path / "x").exists()
    (place.path / "empty").mkdir()
    place.run("-r", place.path / "empty", "snapshots", status=1)
    # A passphrase given to a repository that claims to need none: somebody may have swapped it.
    place.run("-r", place.path / "open", "init", "--no-encryption", environment={"BACKSTAY_KEY_FILE": ""})
    place.run("-r", place.path / "open", "snapshots", environment={"BACKSTAY_KEY_FILE": ""})
    place.run("-r", place.path / "open", "snapshots", status=1)


def retention_keeps_what_it_says_and_pins_are_kept(place):
    live = place.path / "live"
    make_files(live, count=3)
    place.run("init")
    for day in range(1, 11):
        (live / "day").write_text(str(day))
        place.run("backup", live, "--time", f"2026-01-{day:02} 12:00:00")
    oldest = place.json("snapshots")[0]["id"]
    place.run("pin", oldest)
    decisions = place.json("forget", "--keep-last", "2", "--keep-weekly", "2", "--dry-run")
    kept = [r for r in decisions if r["type"] == "decision" and r["keep"]]
    assert len(kept) == 4, kept  # 10th, 9th, 4th (the week before), and the pinned 1st
    place.run("forget", oldest, status=1)
    place.run("forget", "--keep-last", "2", "--keep-weekly", "2", "--prune")
    assert len(place.json("snapshots")) - 1 == 4
    place.run("unpin", oldest)
    place.run("forget", oldest)
    assert len(place.json("snapshots")) - 1 == 3
    place.run("prune", "--max-unused", "0")
    assert place.summary("check", "--read-data")["verdict"] == "ok"
    assert place.run("cat", f"latest:{live / 'day'}") == b"10"


def a_clock_that_was_ahead_displaces_nothing(place):
    live = place.path / "live"
    make_files(live, count=3)
    place.run("init")
    store = pathlib.Path(place.environment["BACKSTAY_REPOSITORY"])
    for time_of in ("2026-01-01", "2099-01-01", "2026-01-02", "2026-01-03", "2026-01-04"):
        made = place.summary("backup", live, "--time", time_of + "T12:00:00Z")["snapshot"]
        if time_of.startswith("2099"):
            os.utime(store / "snapshots" / made, (4_070_952_000, 4_070_952_000))  # the store was on the same clock
    for policy in (("--keep-within", "1d"), ("--keep-last", "1")):
        decisions = [r for r in place.json("forget", *policy, "--dry-run") if r["type"] == "decision"]
        kept = [r["time"][:10] for r in decisions if r["keep"]]
        assert kept[-2:] == ["2026-01-04", "2099-01-01"], decisions
        assert "2026-01-01" not in kept, decisions
    assert "2099-01-01" in place.json("ls", "latest")[0]["message"]
    for arguments in (("ls", "latest"), ("find", "x", "--snapshot", "latest"), ("stats", "latest"), ("restore", "latest", "--to", place.path / "back"), ("diff", "latest~1", "latest"), ("pin", "latest"), ("unpin", "latest")):
        place.run(*arguments)
        assert "still to come" in place.stderr and place.environment["BACKSTAY_REPOSITORY"] not in place.stderr, (arguments, place.stderr)
    place.run("ls", "latest~1")
    assert "still to come" not in place.stderr


def a_pin_says_what_tags_there_are(place):
    make_files(place.path / "live", count=1)
    place.run("init")
    place.run("backup", place.path / "live")
    assert place.run("pin", "latest").decode().endswith(": no tags; pinned\n")
    assert place.run("tag", "latest", "--add", "b,a").decode().endswith(": tags a, b; pinned\n")
    assert place.run("tag", "latest", "--set", "").decode().endswith(": no tags; pinned\n")
    other = place.json("backup", "--host", "other", place.path / "live")[-1]["snapshot"]
    assert other[:12] in place.run("tag", "latest", "--host", "other", "--add", "a").decode()
    place.run("tag", "latest", "--tag", "b", "--add", "c", status=1)


def a_symlink_is_no_way_to_lose_a_folder(place):
    (place.path / "real" / "home").mkdir(parents=True)
    (place.path / "real" / "home" / "file").write_text("saved")
    (place.path / "real" / "other").write_text("not saved")
    link = place.path / "link"
    link.symlink_to("real")
    place.run("init")
    place.run("backup", link)
    assert "is a symlink" in place.stderr, place.stderr
    place.run("backup", f"{link}/")
    assert place.run("cat", f"latest:{place.path / 'real' / 'other'}") == b"not saved"
    place.run("backup", link / "home")
    assert "symlink" not in place.stderr, place.stderr
    assert place.run("cat", f"latest:{link / 'home' / 'file'}") == b"saved"
    for arguments in (("--in-place",), ("--to", "/")):
        place.run("restore", "latest", *arguments, status=3)
        assert "symlink to a folder" in place.stderr, place.stderr
        assert link.is_symlink() and (link / "other").read_text() == "not saved"
    place.run("restore", "latest", "--to", place.path / "back")
    assert (place.path / "back" / str(link)[1:] / "home" / "file").read_text() == "saved"


def excludes_are_as_in_gitignore(place):
    live = place.path / "live"
    for name in ("keep/a.txt", "keep/b.tmp", "cache/x", "deep/cache/y", "keep/important.tmp"):
        (live / name).parent.mkdir(parents=True, exist_ok=True)
        (live / name).write_text(name)
    place.run("init")
    place.run("backup", live, "--exclude", "*.tmp", "--exclude", "cache/", "--exclude", "!important.tmp")
    listed = {r["path"].split("/live/", 1)[-1] for r in place.json("ls", "latest", "--recursive")[:-1] if r["kind"] == "file"}
    assert listed == {"keep/a.txt", "keep/important.tmp"}, listed
    # As editors of other systems write it.
    (place.path / "patterns").write_bytes(b"\xef\xbb\xbf*.tmp\r\n# a comment\r\ncache/\r\n!important.tmp\r\n")
    place.run("backup", live, "--exclude-file", place.path / "patterns")
    again = {r["path"].split("/live/", 1)[-1] for r in place.json("ls", "latest", "--recursive")[:-1] if r["kind"] == "file"}
    assert again == listed, again


def in_place_restores_only_what_differs(place):
    live = place.path / "live"
    make_files(live)
    place.run("init")
    place.run("backup", live)
    copy = place.path / "copy"
    shutil.copytree(live, copy, symlinks=True)
    changed = live / "folder 1" / "file 1"
    changed.write_bytes(b"other")
    (live / "folder 2" / "file 2").unlink()
    (live / "extra").write_text("mine")
    untouched = live / "folder 0" / "file 3"
    before = untouched.stat()
    summary = place.summary("restore", f"latest:{live}", "--in-place")
    assert summary["bytes_written"] <= 400_000, summary
    assert (untouched.stat().st_ino, untouched.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert (live / "extra").read_text() == "mine"  # --delete only on request
    (copy / "extra").write_text("mine")
    assert_same(copy, live)
    place.run("restore", f"latest:{live}", "--in-place", "--delete")
    assert not (live / "extra").exists()
    (copy / "extra").unlink()
    (copy / "folder 0" / "mine").write_text("mine")
    place.run("restore", f"latest:{live}", "--to", copy, "--delete")
    assert_same(live, copy)
    assert copy.stat().st_mtime_ns == live.stat().st_mtime_ns


def a_huge_hole_costs_no_time(place):
    live = place.path / "live"
    live.mkdir()
    with open(live / "sparse", "wb") as sparse:
        sparse.truncate(1 << 36)
        sparse.seek(1 << 35)
        sparse.write(b"in the middle")
    place.run("init")
    place.run("backup", live)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    place.run("restore", f"latest:{live}", "--to", place.path / "back", "--verify")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 5, after
    with open(place.path / "back" / "sparse", "r+b") as back:
        assert os.fstat(back.fileno()).st_size == 1 << 36 and os.fstat(back.fileno()).st_blocks < 1000
        assert os.pread(back.fileno(), 13, 1 << 35) == b"in the middle"


def archives_go_out_and_in(place):
    live = place.path / "live"
    make_files(live)
    place.run("init")
    place.run("backup", live)
    place.run("export", f"latest:{live}", "--format", "tar", "-o", place.path / "out.tar")
    unpacked = place.path / "unpacked"
    unpacked.mkdir()
    subprocess.run(["tar", "-xf", place.path / "out.tar", "-C", unpacked], check=True)
    assert_same(live, unpacked)
    place.run("export", f"latest:{live}", "-o", place.path / "out.tar", status=1)
    assert "out.tar" in place.stderr and "--overwrite" in place.stderr, place.stderr
    place.run("import", place.path / "out.tar")
    place.run("restore", "latest:archive", "--to", place.path / "again")
    assert_same(live, place.path / "again")


def hard_links_of_an_archive_come_back_from_any_part_of_it(place):
    live = place.path / "live"
    (live / "sub").mkdir(parents=True)
    (live / "first").write_text("bytes")
    for name in ("second", "sub/third"):
        os.link(live / "first", live / name)
    subprocess.run(["tar", "-cf", place.path / "in.tar", "-C", live, "first", "second", "sub"], check=True)
    place.run("init")
    place.run("import", place.path / "in.tar")
    for number, (part, options, found, names) in enumerate([
        ("latest", (), "archive", 3), ("latest:archive", (), "", 3), ("latest", ("--strip-components", "1"), "", 3), ("latest:archive/sub", (), "", 1),
        ("latest:archive/second", (), "", 1), ("latest:archive", ("--include", "second"), "", 1), ("latest:archive", ("--exclude", "/first"), "", 1),
    ]):
        back = place.path / f"back {number}"
        place.run("restore", part, "--to", back, "--verify", *options)
        made = [path for path in (back / found).rglob("*") if path.is_file()]
        assert made and all(path.read_text() == "bytes" and path.stat().st_nlink == names for path in made), (part, options, made)


def an_entry_below_no_folder_fails_no_import(place):
    with tarfile.open(place.path / "in.tar", "w") as archive:
        for name, kind in (("link", tarfile.SYMTYPE), ("link/in", tarfile.REGTYPE), ("link/sub/in", tarfile.REGTYPE), ("file", tarfile.REGTYPE), ("file/in", tarfile.REGTYPE), ("z", tarfile.REGTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname, entry.size = kind, "/etc" if kind == tarfile.SYMTYPE else "", 2 if kind == tarfile.REGTYPE else 0
            archive.addfile(entry, io.BytesIO(b"ab"))
    place.run("init")
    records = place.json("import", place.path / "in.tar", status=3)
    problems = [(r["source"], r["path"]) for r in records if r["type"] == "problem"]
    assert problems == [("archive", "file/in"), ("archive", "link/in"), ("archive", "link/sub/in")], problems
    place.run("restore", "latest:archive", "--to", place.path / "back", "--verify")
    assert sorted(os.listdir(place.path / "back")) == ["file", "link", "z"]
    assert os.readlink(place.path / "back" / "link") == "/etc" and (place.path / "back" / "file").read_text() == "ab"
    place.run("check", "--read-data")


def hard_links_of_an_archive_go_out_again(place):
    live = place.path / "live"
    (live / "sub").mkdir(parents=True)
    (live / "m").write_text("bytes")
    for name in ("a", "z", "sub/m", "sub/x"):
        os.link(live / "m", live / name)
    subprocess.run(["tar", "-cf", place.path / "in.tar", "-C", live, "m", "a", "z", "sub"], check=True)
    place.run("init")
    place.run("import", place.path / "in.tar")
    for part, below, names in (("latest", "archive", 5), ("latest:archive", ".", 5), ("latest:archive/sub", ".", 2)):
        for kind in ("tar", "zip"):
            out, back = place.path / f"out.{kind}", place.path / f"{kind} of {part.replace('/', ' ')}"
            place.run("export", part, "--format", kind, "-o", out, "--overwrite")
            back.mkdir()
            if kind == "tar":
                subprocess.run(["tar", "-xf", out, "-C", back], check=True)
            else:
                with zipfile.ZipFile(out) as archive:
                    archive.extractall(back)
            made = [path for path in (back / below).rglob("*") if path.is_file()]
            assert len(made) == names and all(path.read_text() == "bytes" for path in made), (part, kind, made)
            if kind == "tar" and names == 5:
                assert all(path.stat().st_nlink == names for path in made), made


def a_file_of_holes_alone_comes_back_from_an_archive(place):
    live = place.path / "live"
    live.mkdir()
    for name, size, text in (("hole", 3_000_000, ""), ("end", 3_000_001, "x"), ("empty", 0, ""), ("whole", 1, "y")):
        (live / name).write_text(text)
        os.truncate(live / name, size)
    with open(live / "several", "wb") as file:
        for at in range(5):
            file.seek(at << 20)
            file.write(os.urandom(70_000))
        file.truncate(9 << 20)
    place.run("init")
    for arguments in (("--format=gnu",), ("--format=posix", "--sparse-version=0.1"), ("--format=posix", "--sparse-version=1.0")):
        subprocess.run(["tar", *arguments, "-S", "-cf", place.path / "in.tar", "-C", live, *os.listdir(live)], check=True)
        place.run("import", place.path / "in.tar")
        back = place.path / f"back {arguments[-1]}"
        place.run("restore", "latest:archive", "--to", back, "--verify")
        assert_same(live, back)
        for name in os.listdir(live):  # what the archive says is a hole is one again
            assert (back / name).stat().st_blocks <= (live / name).stat().st_blocks + 16, (arguments, name)


def a_listed_path_can_be_typed_again(place):
    live = place.path / "live"
    make_files(live, count=3)
    subprocess.run(["tar", "-cf", place.path / "in.tar", "-C", live, "."], check=True)
    place.run("init")
    place.run("backup", live)
    place.run("import", place.path / "in.tar")
    for snapshot in ("latest", "latest~1"):
        for path in place.run("ls", snapshot, "--recursive").decode().splitlines():
            assert place.run("ls", f"{snapshot}:{path}").decode().splitlines() != [], path
    for found in place.run("find", "folder 1").decode().splitlines():
        place.run("ls", found)


def a_backup_killed_at_any_moment_harms_nothing(place):
    live = place.path / "live"
    make_files(live, count=60)
    place.run("init")
    first = place.summary("backup", live)["snapshot"]
    copies = {first: place.path / "copy"}
    shutil.copytree(live, copies[first], symlinks=True)
    generator = random.Random(7)
    for round_number in range(200 if LONG else 25):
        make_files(live, seed=round_number + 100, count=40)
        child = place.start("backup", live, "--quiet", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(generator.uniform(0, 0.25))
        child.send_signal(signal.SIGKILL)
        child.wait()
        if generator.random() < 0.3:
            child = place.start("prune", "--max-unused", "0", "--quiet", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(generator.uniform(0, 0.2))
            child.send_signal(signal.SIGKILL)
            child.wait()
    assert place.summary("check", "--read-data")["verdict"] == "ok"
    restore_all(place, copies)
    place.run("backup", live)
    place.run("prune", "--max-unused", "0")
    assert place.summary("check", "--read-data")["verdict"] == "ok"
    restore_all(place, {**copies, "latest": live})
    leftovers = [name for name in os.listdir(place.path / "repository" / "sessions")] if (place.path / "repository" / "sessions").exists() else []
    assert not leftovers, leftovers


def an_interrupt_ends_cleanly_with_4(place):
    live = place.path / "live"
    live.mkdir()
    os.mkfifo(live / "unused")
    place.run("init")
    child = place.start("backup", "--command-name", "slow", "--", "sleep", "30", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.7)
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=10) == 4
    assert len(place.json("snapshots")) == 1


def damage_is_found_named_and_never_restored(place):
    live = place.path / "live"
    make_files(live)
    place.run("init")
    place.run("backup", live)
    packs = sorted((place.path / "repository" / "packs").rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else 0)
    pack = packs[-1]
    whole = pack.read_bytes()
    damaged = bytearray(whole)
    damaged[len(damaged) // 3] ^= 1
    pack.chmod(0o600)
    pack.write_bytes(bytes(damaged))
    records = place.json("check", "--read-data", status=5)
    assert any(pack.name in r.get("object", "") for r in records), records
    assert any(r.get("path", "").startswith("files/") for r in records), "which paths are hurt is told"
    place.run("scrub", status=5)
    back = place.path / "back"
    problems = place.json("restore", f"latest:{live}", "--to", back, status=3)
    hurt = {r["path"] for r in problems if r["type"] == "problem"}
    assert hurt and all(path.startswith(str(back) + "/") for path in hurt), hurt
    for folder, _, files in os.walk(live):
        for name in files:
            relative = os.path.relpath(os.path.join(folder, name), live)
            if str(back / relative) in hurt:
                assert not (back / relative).exists()
            else:
                assert (back / relative).read_bytes() == (live / relative).read_bytes()
    pack.unlink()
    place.run("check", status=5)
    pack.write_bytes(whole)
    place.run("check", "--read-data")


def what_is_collected_beside_a_check_is_no_damage(place):
    live = place.path / "live"
    make_files(live)
    place.run("init")
    place.run("backup", live)
    make_files(live, seed=2)
    place.run("backup", live)
    child = place.start("check", "--read-data", "--limit-download", "1M", "--no-cache", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    time.sleep(1)
    place.run("forget", "--keep-last", "1", "--prune", "--max-unused", "0")
    assert child.poll() is None, "the check was to be slower than that"
    told, _ = child.communicate()
    assert child.returncode == 0, told
    assert place.summary("prune", "--max-unused", "0")["bytes_freed"] > 0
    assert place.summary("check", "--read-data")["verdict"] == "ok"


def results_that_cannot_be_written_are_no_success(place):
    live = place.path / "live"
    make_files(live, count=3)
    place.run("init")
    place.run("backup", live)
    with open("/dev/full", "wb") as full:
        for arguments in (("ls", "latest"), ("snapshots",), ("--json", "snapshots"), ("backup", live)):
            assert place.start(*arguments, stdout=full, stderr=subprocess.DEVNULL).wait() == 3, arguments
    # A closed one is not the next file that is opened.
    done = subprocess.run(["sh", "-c", '"$0" "$@" >&-', place.command, "backup", live], env=place.environment, capture_output=True, check=False)
    assert done.returncode == 3 and b"standard output" in done.stderr, done
    place.run("check", "--read-data")


def what_is_asked_for_and_not_there_is_told(place):
    live = place.path / "live"
    make_files(live, count=3)
    place.run("init")
    place.run("backup", live)
    place.run("restore", "latest:/no/such", "--to", place.path / "back", status=1)
    assert "/no/such" in place.stderr and "files/no" not in place.stderr, place.stderr
    records = place.json("restore", "latest", "--to", place.path / "back", "--include", live, "--include", "/nowhere", status=3)
    problem, = [r for r in records if r["type"] == "problem"]
    assert problem["path"] == str(place.path / "back") and "'/nowhere'" in problem["message"], records
    assert_same(live, place.path / "back" / str(live)[1:])


def a_small_stack_is_enough(place):
    if b"__asan_" in pathlib.Path(place.command).read_bytes() or b"__tsan_" in pathlib.Path(place.command).read_bytes():
        return  # their frames are larger
    folder = os.open(place.path, os.O_RDONLY)
    for name in ["live", *["a long name"] * 500]:  # longer than any path that a system call takes
        os.mkdir(name, dir_fd=folder)
        above, folder = folder, os.open(name, os.O_RDONLY, dir_fd=folder)
        os.close(above)
    os.close(os.open("leaf", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    place.process_options = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_STACK, (65536, 65536))}
    place.run("init")
    assert place.summary("backup", place.path / "live")["entries"] > 500
    for arguments in (("ls", "latest", "--recursive"), ("verify", "latest"), ("check", "--read-data"), ("restore", "latest", "--to", place.path / "back"), ("diff", "latest", "latest"), ("prune",)):
        place.run(*arguments)


def every_record_is_json_with_a_type(place):
    live = place.path / "live"
    make_files(live, count=3)
    os.close(os.open(os.fsencode(live) + b"/bad\xff name\n", os.O_CREAT | os.O_WRONLY))
    place.run("init")
    place.run("backup", live)
    for arguments in (("snapshots",), ("ls", "latest", "--recursive"), ("find", "*"), ("check",), ("prune",), ("stats",), ("list",), ("scrub",), ("self-test", place.environment["BACKSTAY_REPOSITORY"]), ("forget", "--keep-last", "1")):
        records = place.json(*arguments)
        assert all("type" in r for r in records) and records[-1]["type"] == "summary", (arguments, records)
    named = [r for r in place.json("ls", "latest", "--recursive") if "path_b64" in r]
    assert len(named) == 1
    for arguments in (("show", "latest"), ("version",), ("cache",), ("unlock",), ("show-object", "config/1")):
        assert all("type" in json.loads(line) for line in place.run("--json", *arguments).splitlines())


def help_fits_and_manuals_come_from_the_same_tables(place):
    for name in ("backup", "restore", "forget", "prune", "check"):
        text = place.run("help", name).decode()
        assert "Example:" in text and f"backstay" in text
        assert f"backstay\\-{name}" in place.run("generate", "manual", name).decode()


def latest_of_a_path_is_restored_and_exported(place):
    for name in ("one", "two"):
        (place.path / name).mkdir()
        (place.path / name / "file").write_text(name)
    place.run("init")
    place.run("backup", place.path / "one")
    place.run("backup", place.path / "two")
    one = place.path / "one"
    place.run("restore", f"latest:{one}", "--path", one, "--to", place.path / "back")
    assert (place.path / "back" / "file").read_text() == "one"
    place.run("export", f"latest:{one}", "--path", one, "--output", place.path / "one.tar")
    assert (place.path / "one.tar").stat().st_size > 0
    place.run("restore", "latest", "--path", place.path / "three", "--to", place.path / "none", status=1)
    assert "path asked for" in place.stderr, place.stderr
    assert not (place.path / "none").exists()


TESTS = [
    latest_of_a_path_is_restored_and_exported,
    main_job_runs_end_to_end, a_backup_without_changes_reads_nothing, nothing_changed_is_told_of_files_that_were_young, attributes_set_between_two_backups_are_kept, standard_input_and_commands_become_streams,
    unreadable_files_are_listed_and_the_status_is_3, wrong_usage_is_2_and_names_the_nearest_word, a_value_that_cannot_be_is_refused_before_anything_is_opened, lists_come_from_standard_input, a_passphrase_may_hold_a_line_end, an_empty_value_takes_no_other_word_for_itself, wrong_keys_and_places_are_refused_clearly,
    retention_keeps_what_it_says_and_pins_are_kept, a_clock_that_was_ahead_displaces_nothing, a_pin_says_what_tags_there_are, a_symlink_is_no_way_to_lose_a_folder, excludes_are_as_in_gitignore, in_place_restores_only_what_differs, a_huge_hole_costs_no_time, archives_go_out_and_in,
    hard_links_of_an_archive_come_back_from_any_part_of_it, hard_links_of_an_archive_go_out_again, an_entry_below_no_folder_fails_no_import, a_file_of_holes_alone_comes_back_from_an_archive, a_listed_path_can_be_typed_again,
    a_backup_killed_at_any_moment_harms_nothing, an_interrupt_ends_cleanly_with_4, damage_is_found_named_and_never_restored,
    what_is_collected_beside_a_check_is_no_damage,
    results_that_cannot_be_written_are_no_success, what_is_asked_for_and_not_there_is_told, a_small_stack_is_enough, every_record_is_json_with_a_type, help_fits_and_manuals_come_from_the_same_tables,
]

if __name__ == "__main__":
    chosen = [test for test in TESTS if len(sys.argv) < 3 or test.__name__ in sys.argv[2:]]
    sys.exit(run_all(chosen, sys.argv[1]))
