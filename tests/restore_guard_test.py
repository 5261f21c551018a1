#!/usr/bin/env python3
"""A restore removes nothing that the backup left out, and never touches the repository that it reads. restore_guard_test.py COMMAND"""

import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from command_line import run_all  # noqa: E402


def make_files(top, *names):
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(name)


def names_below(top):
    return {str(path.relative_to(top)) for path in top.rglob("*") if not path.is_dir()}


def what_patterns_left_out_is_not_removed(place):
    live = place.path / "live"
    make_files(live, "kept", "deep/kept", "log.tmp", "deep/x.tmp", "cache/object")
    place.run("init")
    place.run("backup", live, "--exclude", "*.tmp", "--exclude", "cache/", "--exclude-larger-than", "100")
    make_files(live, "new", "newer/gone", "newer/deeper/y.tmp", "deep/new")
    (live / "large").write_bytes(b"l" * 200)
    planned = place.json("restore", f"latest:{live}", "--in-place", "--delete", "--dry-run")
    assert {r["path"] for r in planned if r.get("action") == "skip"} >= {str(live / n)[1:] for n in ("log.tmp", "deep/x.tmp", "cache", "large")}, planned
    place.run("restore", f"latest:{live}", "--in-place", "--delete")
    left = {"kept", "deep/kept", "log.tmp", "deep/x.tmp", "cache/object", "newer/deeper/y.tmp", "large"}
    assert names_below(live) == left, names_below(live)
    # The same in another place, for the whole and for a part.
    copy = place.path / "copy"
    make_files(copy, "kept", "a.tmp", "new", "cache/object")
    place.run("restore", f"latest:{live}", "--to", copy, "--delete")
    assert names_below(copy) == {"kept", "deep/kept", "a.tmp", "cache/object"}, names_below(copy)
    make_files(copy, "deep/b.tmp", "deep/new")
    place.run("restore", f"latest:{live}/deep", "--to", copy / "deep", "--delete")
    assert names_below(copy / "deep") == {"kept", "b.tmp"}, names_below(copy)


def a_left_out_file_keeps_its_folder_from_making_room(place):
    live = place.path / "live"
    make_files(live, "thing", "other")
    place.run("init")
    place.run("backup", live, "--exclude", "*.tmp")
    (live / "thing").unlink()
    make_files(live, "thing/precious.tmp", "thing/gone")
    problems = place.json("restore", f"latest:{live}", "--in-place", "--delete", status=3)
    assert any(r["type"] == "problem" and r["path"].endswith("live/thing") for r in problems), problems
    assert (live / "thing" / "precious.tmp").read_text() == "thing/precious.tmp"


def what_a_marker_left_out_is_not_removed(place):
    live = place.path / "live"
    make_files(live, "kept", "build/.nobackup", "build/object", "build/deep/object")
    place.run("init")
    place.run("backup", live, "--exclude-if-present", ".nobackup")
    make_files(live, "new")
    place.run("restore", f"latest:{live}", "--in-place", "--delete")
    left = {"kept", "build/.nobackup", "build/object", "build/deep/object"}
    assert names_below(live) == left, names_below(live)
    # Neither where the marker has gone since.
    (live / "build" / ".nobackup").unlink()
    place.run("restore", f"latest:{live}", "--in-place", "--delete", "--exclude", ".nobackup")
    assert names_below(live) == left - {"build/.nobackup"}, names_below(live)


def what_could_not_be_saved_is_not_removed(place):
    live = place.path / "live"
    make_files(live, "kept", "later/file")
    place.run("init")
    (live / "later").rename(place.path / "aside")
    place.run("backup", live, live / "later", status=3)  # one of its roots is not there
    (place.path / "aside").rename(live / "later")
    make_files(live, "new")
    place.run("restore", f"latest:{live}", "--in-place", "--delete")
    assert names_below(live) == {"kept", "later/file"}, names_below(live)


def other_file_systems_that_were_left_out_are_not_emptied(place):
    live = place.path / "live"
    make_files(live, "kept")
    (live / "mounted").mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "none", live / "mounted"], capture_output=True, check=False)
    if done.returncode != 0:
        print("mounting is forbidden here: nothing tested")
        return
    try:
        make_files(live, "mounted/precious", "mounted/deep/precious")
        place.run("init")
        place.run("backup", live, "--one-file-system")
        make_files(live, "new")
        place.run("restore", f"latest:{live}", "--in-place", "--delete")
        assert names_below(live) == {"kept", "mounted/precious", "mounted/deep/precious"}, names_below(live)
    finally:
        subprocess.run(["umount", live / "mounted"], check=True)


def what_lies_beneath_a_mount_point_that_was_left_out_is_not_removed(place):
    live, copy = place.path / "live", place.path / "copy"
    make_files(live, "kept", "mounted/beneath")
    done = subprocess.run(["mount", "-t", "tmpfs", "none", live / "mounted"], capture_output=True, check=False)
    if done.returncode != 0:
        print("mounting is forbidden here: nothing tested")
        return
    try:
        make_files(live, "mounted/on-the-disk")
        place.run("init")
        place.run("backup", live, "--one-file-system")
    finally:
        subprocess.run(["umount", live / "mounted"], check=True)
    marked = {r["path"] for r in place.json("ls", "latest", "--recursive") if r.get("contents_left_out") and str(live) in "/" + r["path"]}
    assert {path[path.index("/"):] for path in marked} == {str(live / "mounted")}, marked
    make_files(live, "new")
    planned = place.json("restore", f"latest:{live}", "--in-place", "--delete", "--dry-run")
    assert [r["message"] for r in planned if r.get("action") == "skip"] == ["the backup left out what is in it"], planned
    place.run("restore", f"latest:{live}", "--in-place", "--delete")
    assert names_below(live) == {"kept", "mounted/beneath"}, names_below(live)
    place.run("restore", f"latest:{live}/mounted", "--in-place", "--delete")
    assert names_below(live) == {"kept", "mounted/beneath"}, names_below(live)
    make_files(copy, "mounted/there", "new")
    place.run("restore", f"latest:{live}", "--to", copy, "--delete")
    assert names_below(copy) == {"kept", "mounted/there"}, names_below(copy)
    place.run("restore", f"latest:{live}/mounted", "--to", copy / "mounted", "--delete")
    assert names_below(copy) == {"kept", "mounted/there"}, names_below(copy)


def what_lies_between_two_roots_is_not_removed(place):
    live = place.path / "live"
    make_files(live, "kept", "cache/object", "cache/wanted/file")
    place.run("init")
    place.run("backup", live, live / "cache" / "wanted", "--exclude", "/" + str(live / "cache")[1:])
    (live / "cache" / "wanted" / "new").write_text("new")
    place.run("restore", f"latest:{live}", "--in-place", "--delete")
    assert names_below(live) == {"kept", "cache/object", "cache/wanted/file"}, names_below(live)


def the_repository_is_never_removed_or_restored_over(place):
    live = place.path / "live"
    inside = live / "disk" / "repository"
    make_files(live, "kept")
    place.environment["BACKSTAY_REPOSITORY"] = str(inside)
    place.run("init")
    place.run("backup", live, "--exclude", inside.name)
    make_files(live, "new", "disk/new")
    place.run("restore", f"latest:{live}", "--in-place", "--delete")
    assert not (live / "new").exists()
    place.run("check", "--read-data")
    # Saved with the rest, and older than what is there now.
    place.run("backup", live)
    place.run("backup", live, "--force", "--tag", "later")
    problems = place.json("restore", f"latest~1:{live}", "--in-place", "--delete", status=3)
    assert [r["path"] for r in problems if r["type"] == "problem"] == [str(inside)], problems
    place.run("check", "--read-data")
    assert len(place.json("snapshots")) - 1 == 3
    place.run("restore", f"latest~1:{live}", "--to", place.path / "copy", "--verify")
    assert (place.path / "copy" / "disk" / "repository" / "config").is_dir()


def a_restore_into_the_repository_is_refused(place):
    live = place.path / "live"
    make_files(live, "kept")
    place.run("init")
    place.run("backup", live)
    repository = place.path / "repository"
    (place.path / "link").symlink_to(repository / "packs")
    before = names_below(repository)
    for folder in (repository, repository / "new", repository / "packs", place.path / "link", place.path / "live" / ".." / "repository"):
        place.run("restore", f"latest:{live}", "--to", folder, "--delete", status=1)
        assert "repository" in place.stderr, place.stderr
    done = subprocess.run([place.command, "-r", repository, "restore", f"latest:{live}", "--to", "new"], cwd=repository, env=place.environment, capture_output=True, check=False)
    assert done.returncode == 1 and not (repository / "new").exists(), done.stderr
    assert names_below(repository) == before
    place.run("check", "--read-data")


TESTS = [
    what_patterns_left_out_is_not_removed, a_left_out_file_keeps_its_folder_from_making_room, what_a_marker_left_out_is_not_removed,
    what_could_not_be_saved_is_not_removed, other_file_systems_that_were_left_out_are_not_emptied, what_lies_beneath_a_mount_point_that_was_left_out_is_not_removed,
    what_lies_between_two_roots_is_not_removed, the_repository_is_never_removed_or_restored_over,
    a_restore_into_the_repository_is_refused,
]

if __name__ == "__main__":
    chosen = [test for test in TESTS if len(sys.argv) < 3 or test.__name__ in sys.argv[2:]]
    sys.exit(run_all(chosen, sys.argv[1]))
