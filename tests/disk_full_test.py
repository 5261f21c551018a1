#!/usr/bin/env python3
"""The command on disks that are full, limited or read-only: exit statuses, words, and what is left. disk_full_test.py COMMAND"""

import contextlib
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from command_line import run_all  # noqa: E402
from small_disk import small_disk  # noqa: E402

MIB = 1 << 20


def make_random_file(path, mebibytes, seed):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(random.Random(seed).randbytes(mebibytes * MIB))


def first_backup(place):
    """A repository with one snapshot, of a file of 3 MiB; the folder that was saved, and a copy."""
    live = place.path / "live"
    make_random_file(live / "a", 3, 1)
    place.run("init")
    first = place.summary("backup", live)["snapshot"]
    copy = place.path / "copy"
    shutil.copytree(live, copy)
    return live, first, copy


def assert_restores(place, snapshot, live, copy):
    back = place.path / "back"
    shutil.rmtree(back, ignore_errors=True)
    place.run("restore", f"{snapshot}:{live}", "--to", back, "--verify")
    done = subprocess.run(["diff", "-r", copy, back], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def assert_sound(place, first, live, copy):
    summary = place.summary("check", "--read-data")
    assert summary["verdict"] == "ok" and summary["snapshots"] == 1, summary
    assert [r["id"] for r in place.json("snapshots")[:-1]] == [first]
    assert_restores(place, first, live, copy)
    leftovers = list((place.path / "repository" / "tmp").iterdir())
    assert not leftovers, leftovers


def fails_with(place, code, words, *arguments):
    """The failure in the terminal's words and as a record."""
    error = place.json(*arguments, status=1)[-1]["error"]
    assert error["code"] == code, error
    place.run(*arguments, status=1)
    for word in words:
        assert word in place.stderr and word in error["message"], (word, place.stderr, error)


def a_disk_that_fills_up_in_mid_backup_harms_nothing(place):
    with small_disk(place.path / "repository", 16) as mounted:
        if not mounted:
            print("needs the right to mount: not tried")
            return
        live, first, copy = first_backup(place)
        make_random_file(live / "b", 30, 2)
        fails_with(place, "no-space", ["No space left on device", str(place.path / "repository"), "free some space"], "backup", live)
        assert_sound(place, first, live, copy)
        # With less to save it goes on as if nothing had happened, once what the failed runs left is pruned.
        make_random_file(live / "b", 1, 3)
        place.run("prune", "--max-unused", "0")
        second = place.summary("backup", live)
        assert second["parent"] == first, second
        assert_restores(place, second["snapshot"], live, live)
        assert_restores(place, first, live, copy)
        assert place.summary("check", "--read-data")["verdict"] == "ok"


def a_disk_without_a_byte_left_is_read_and_pruned_once_there_is_room(place):
    with small_disk(place.path / "repository", 16) as mounted:
        if not mounted:
            print("needs the right to mount: not tried")
            return
        live, first, copy = first_backup(place)
        ballast = place.path / "repository" / "BALLAST"
        with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        for arguments in (("backup", live), ("prune",), ("forget", first), ("tag", first, "--add", "x")):
            fails_with(place, "no-space", ["No space left on device"], *arguments)
        assert len(place.json("snapshots")) == 2
        place.run("ls", "latest")
        assert place.run("cat", f"latest:{live}/a") == (copy / "a").read_bytes()
        assert place.summary("check", "--read-data")["verdict"] == "ok"
        ballast.unlink()
        assert_sound(place, first, live, copy)


def a_limit_on_the_size_of_files_is_an_error_not_a_signal(place):
    live, first, copy = first_backup(place)
    make_random_file(live / "b", 12, 2)
    for most in (MIB, 100):  # packs are beyond the one, everything is beyond the other
        done = subprocess.run([place.command, "--cache-dir", place.path / f"cache{most}", "backup", live], env=place.environment, capture_output=True, text=True, check=False,
                              preexec_fn=lambda most=most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)))
        assert done.returncode == 1, (done.returncode, done.stderr)
        assert "File too large" in done.stderr and "ulimit -f" in done.stderr and str(place.path / "repository") in done.stderr, done.stderr
        assert_sound(place, first, live, copy)


@contextlib.contextmanager
def read_only(folder):
    """Mounted so for root, whom modes do not stop."""
    if os.geteuid() != 0:
        parts = [folder, *(p for p in folder.rglob("*") if p.is_dir())]
        try:
            for part in parts:
                part.chmod(0o500)
            yield True
        finally:
            for part in parts:
                part.chmod(0o700)
        return
    mounted = subprocess.run(["mount", "--bind", folder, folder], capture_output=True, check=False).returncode == 0
    try:
        if mounted:
            subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "-l", folder], check=True)


def a_read_only_repository_is_listed_restored_and_checked(place):
    live, first, copy = first_backup(place)
    repository = place.path / "repository"
    with read_only(repository) as possible:
        if not possible:
            print("needs the right to mount: not tried")
            return
        before = sorted(os.fspath(p) for p in repository.rglob("*"))
        assert [r["id"] for r in place.json("snapshots")[:-1]] == [first]
        place.run("ls", "latest", "--recursive")
        place.run("find", "a")
        place.run("stats")
        place.run("list")
        place.run("show", "latest")
        assert place.run("cat", f"latest:{live}/a") == (copy / "a").read_bytes()
        assert_restores(place, first, live, copy)
        place.run("export", f"latest:{live}", "--format", "tar", "-o", place.path / "out.tar")
        assert place.summary("verify", "latest")["differences"] == 0
        records = place.json("check", "--read-data")
        assert records[-1]["verdict"] == "ok", records
        assert any(r["type"] == "notice" and "written" in r["message"] for r in records), records
        place.run("check")
        place.run("scrub")
        advice = "mount it writable" if os.geteuid() == 0 else "the owner and the mode"
        for arguments in (("backup", live), ("forget", first), ("prune",), ("tag", first, "--add", "x"), ("pin", first)):
            fails_with(place, "denied", [str(repository), advice], *arguments)
        assert sorted(os.fspath(p) for p in repository.rglob("*")) == before
    assert_sound(place, first, live, copy)


def a_full_cache_is_named_with_what_to_do(place):
    live, _, copy = first_backup(place)
    cache = place.path / "small cache"
    with small_disk(cache, 1) as mounted:
        if not mounted:
            print("needs the right to mount: not tried")
            return
        with contextlib.suppress(OSError), open(cache / "filler", "wb", buffering=0) as filler:
            while True:
                filler.write(bytes(4096))
        fails_with(place, "no-space", ["another folder for the cache"], "--cache-dir", cache, "backup", live)
        assert "small cache" in place.stderr, place.stderr
        place.run("--no-cache", "backup", live)


def what_cannot_start_its_threads_says_why(place):
    if os.geteuid() != 0:
        print("needs another user whose processes can be counted: not tried")
        return
    live, _, _ = first_backup(place)
    place.copy_command()
    os.chmod(place.path, 0o755)
    subprocess.run(["chown", "-R", "4242", place.path], check=True)

    def limited():
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))

    place.process_options = {"user": 4242, "group": 4242, "preexec_fn": limited}
    place.run("backup", live, status=1)
    assert "ulimit -u" in place.stderr, place.stderr


def a_repository_that_was_unmounted_is_not_made_anew(place):
    live, _, _ = first_backup(place)
    away = place.path / "away"
    (place.path / "repository").rename(away)
    place.run("backup", live, status=1)
    assert "mounted" in place.stderr and str(place.path / "repository") in place.stderr, place.stderr
    assert not (place.path / "repository").exists()
    pathlib.Path(place.path / "repository").mkdir()  # the mount point alone
    place.run("backup", live, status=1)
    assert "init" in place.stderr, place.stderr
    assert not os.listdir(place.path / "repository")


TESTS = [
    a_disk_that_fills_up_in_mid_backup_harms_nothing, a_disk_without_a_byte_left_is_read_and_pruned_once_there_is_room,
    a_limit_on_the_size_of_files_is_an_error_not_a_signal, a_read_only_repository_is_listed_restored_and_checked,
    a_full_cache_is_named_with_what_to_do, what_cannot_start_its_threads_says_why, a_repository_that_was_unmounted_is_not_made_anew,
]

if __name__ == "__main__":
    chosen = [test for test in TESTS if len(sys.argv) < 3 or test.__name__ in sys.argv[2:]]
    sys.exit(run_all(chosen, sys.argv[1]))
