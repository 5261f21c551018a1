#!/usr/bin/env python3
"""Trees with every oddity, and real ones of this machine, compare equal after a round trip, by rsync, getfacl and stat: not by our own code. round_trip_test.py COMMAND"""

import array
import fcntl
import os
import socket
import stat
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from command_line import run_all  # noqa: E402

ROOT = os.geteuid() == 0


def touch(path, content=b"x", times=None, mode=None):
    with open(path, "wb") as file:
        file.write(content)
    if mode is not None:
        os.chmod(path, mode)
    if times is not None:
        os.utime(path, ns=times, follow_symlinks=False)


def make_odd_tree(top):
    """What this environment allows of everything that names, kinds and attributes can be. Returns what it could not make."""
    missing = []
    base = os.fsencode(top)
    os.makedirs(base)
    touch(base + b"/plain", b"plain\n")
    touch(base + b"/empty", b"")
    touch(base + b"/ blanks  and \t tabs ", b"1")
    touch(base + b"/new\nline", b"2")
    touch(base + b"/not-utf8-\xff\xfe\x80", b"3")
    touch(base + b"/" + b"l" * 255, b"4")
    touch(base + b"/-r --delete", b"5")
    touch(base + b"/*?[a]\\", b"6")
    touch(base + "/ünïcödé-名前".encode(), b"7")
    touch(base + b"/before-1970", times=(-123456789_987654321, -1_000_000_001))
    touch(base + b"/after-2262", times=(9_300_000_000 * 10**9 + 123, 9_300_000_000 * 10**9 + 123456789))
    touch(base + b"/nanoseconds", times=(10**18 + 1, 10**18 + 999_999_999))
    touch(base + b"/setuid", mode=0o4755)
    touch(base + b"/no-rights", mode=0)
    os.mkdir(base + b"/sticky", 0o755)
    os.chmod(base + b"/sticky", 0o1777)
    os.mkdir(base + b"/read-only-folder")
    touch(base + b"/read-only-folder/inside")
    os.chmod(base + b"/read-only-folder", 0o555)
    os.mkdir(base + b"/empty-folder")
    os.utime(base + b"/empty-folder", ns=(10**18, 10**18 + 5))
    os.mkfifo(base + b"/fifo")
    with socket.socket(socket.AF_UNIX) as unix:
        os.chdir(base)
        unix.bind("socket")
        os.chdir("/")
    os.symlink(b"plain", base + b"/symlink")
    os.symlink(b"/does/not/exist", base + b"/dangling")
    os.symlink(b"t" * 4000, base + b"/long-target")
    os.utime(base + b"/symlink", ns=(10**18, 10**18 + 7), follow_symlinks=False)
    touch(base + b"/hard-1", b"linked" * 1000)
    os.mkdir(base + b"/other")
    os.link(base + b"/hard-1", base + b"/other/hard-2")
    os.link(base + b"/hard-1", base + b"/hard-3")
    os.link(base + b"/fifo", base + b"/other/fifo-too")
    with open(base + b"/sparse", "wb") as file:  # holes at the start, in the middle, at the end
        file.seek(1 << 20)
        file.write(os.urandom(70_000))
        file.seek(5 << 20)
        file.write(b"tail")
        file.truncate(9 << 20)
    with open(base + b"/all-hole", "wb") as file:
        file.truncate(3 << 20)
    try:
        os.setxattr(base + b"/plain", b"user.colour", b"blue\x00\xff")
        os.setxattr(base + b"/plain", b"user.empty", b"")
        os.setxattr(base + b"/other", b"user.large", os.urandom(1500))
    except OSError as error:
        missing.append(f"xattrs: {error}")
    acl = subprocess.run(["setfacl", "-m", "u:1234:rw,g:4321:r", base + b"/plain"], capture_output=True, check=False)
    default = subprocess.run(["setfacl", "-d", "-m", "u:1234:rwx", base + b"/other"], capture_output=True, check=False)
    if acl.returncode or default.returncode:
        missing.append("ACLs")
    if ROOT:
        os.chown(base + b"/empty", 12345, 54321)
        os.chown(base + b"/dangling", 1, 2, follow_symlinks=False)
        for name, kind, device in ((b"/null", stat.S_IFCHR, os.makedev(1, 3)), (b"/block", stat.S_IFBLK, os.makedev(7, 99))):
            try:
                os.mknod(base + name, kind | 0o600, device)
            except OSError as error:
                missing.append(f"devices: {error}")
    else:
        missing.append("owners and devices: not root")
    make_deep(base + b"/deep")
    return missing


def make_deep(start):
    """Beyond PATH_MAX: only step by step."""
    os.mkdir(start)
    here = os.open(start, os.O_RDONLY)
    name = b"d" * 200
    for _ in range(30):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    file = os.open(b"at the bottom", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=here)
    os.write(file, b"deep\n")
    os.close(file)
    os.close(here)


def differences(live, back):
    done = subprocess.run(["rsync", "-aHAXSni", "--checksum", "--delete", "--numeric-ids", f"{live}/", f"{back}/"], capture_output=True, text=True, check=False,
                          errors="surrogateescape")
    lines = [line for line in done.stdout.splitlines() if line]
    return lines, done


def assert_equal(live, back, ignore=()):
    lines, done = differences(live, back)
    lines = [line for line in lines if not any(word in line for word in ignore)]
    assert not lines, "rsync tells:\n" + "\n".join(lines[:40]) + done.stderr
    for tool in (["getfacl", "-R", "-n", "-p", "."], ["find", ".", "-printf", "%p %y %m %U %G %T@ %l\n"]):
        a, b = (subprocess.run(tool, cwd=folder, capture_output=True, check=False).stdout for folder in (live, back))
        a, b = sorted(a.split(b"\n\n" if "getfacl" in tool else b"\n")), sorted(b.split(b"\n\n" if "getfacl" in tool else b"\n"))
        assert a == b, f"{tool[0]} tells: {[line for line in a if line not in b][:5]} {[line for line in b if line not in a][:5]}"


def remove(path):
    subprocess.run(["rm", "-rf", path], check=False)


def odd_tree_comes_back_as_it_was(place):
    live = place.path / "live"
    print("could not be made here:", make_odd_tree(live))
    place.run("init")
    summary = place.summary("backup", live, status=0 if ROOT else 3)
    back = place.path / "back"
    restored = place.summary("restore", f"latest:{live}", "--to", back, "--verify", status=0 if ROOT else 3)
    assert restored["entries"] >= summary["entries"] - 5, (summary, restored)
    if ROOT:
        # What lies beyond PATH_MAX rsync cannot reach: it is compared by find below, and by --verify above.
        deep = back / "deep"
        assert deep.exists()
        here = os.open(deep, os.O_RDONLY)
        for _ in range(30):
            below = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        assert os.read(os.open("at the bottom", os.O_RDONLY, dir_fd=here), 10) == b"deep\n"
        for folder in (live, back):
            remove(folder / "deep")
            os.utime(folder, ns=(10**18, 10**18))
        assert_equal(live, back)
        for name in ("sparse", "all-hole"):
            assert (back / name).stat().st_blocks <= (live / name).stat().st_blocks + 16, f"{name} lost its holes"
        assert (back / "hard-1").stat().st_ino == (back / "other" / "hard-2").stat().st_ino == (back / "hard-3").stat().st_ino
    remove(live)
    remove(back)


def real_trees_of_this_machine_come_back(place):
    trees = ["/etc", "/usr/share/doc" if os.path.isdir("/usr/share/doc") else "/usr/share"]
    if os.environ.get("BACKSTAY_TESTS_LONG"):
        trees = ["/etc", "/usr"]
    place.run("init")
    place.run("backup", *trees)
    place.run("restore", "latest", "--to", place.path / "back", "--verify")
    for tree in trees:
        assert_equal(tree, str(place.path / "back") + tree)


def a_restore_over_something_else_replaces_it(place):
    live, back = place.path / "live", place.path / "back"
    live.mkdir()
    (live / "file").write_text("file")
    (live / "folder").mkdir()
    (live / "folder" / "x").write_text("x")
    (live / "link").symlink_to("file")
    place.run("init")
    place.run("backup", live)
    back.mkdir()
    outside = place.path / "outside"
    outside.mkdir()
    (outside / "x").write_text("untouched")
    (back / "folder").symlink_to(outside)  # must not be followed
    (back / "file").symlink_to(outside / "x")
    (back / "link").write_text("in the way")
    place.run("restore", f"latest:{live}", "--to", back)
    assert (outside / "x").read_text() == "untouched" and sorted(os.listdir(outside)) == ["x"]
    assert (back / "folder" / "x").read_text() == "x" and not (back / "folder").is_symlink()
    assert (back / "file").read_text() == "file" and os.readlink(back / "link") == "file"


GETFLAGS, SETFLAGS = 0x80086601, 0x40086602
SYNC, NOATIME, DIRSYNC = 0x8, 0x80, 0x10000
KEPT = 0x283C4FF


def all_flags_of(path):
    flags = array.array("l", [0])
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.ioctl(descriptor, GETFLAGS, flags)
    os.close(descriptor)
    return flags[0]


def flags_of(path):
    return all_flags_of(path) & KEPT


def set_flags(path, flags):
    """Those of them that the file system has."""
    for bit in (SYNC, NOATIME, DIRSYNC):
        now = all_flags_of(path)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, SETFLAGS, array.array("l", [now & ~bit | flags & bit]))
        except OSError:
            assert flags & bit
        finally:
            os.close(descriptor)


def file_flags_come_back(place):
    live, back = place.path / "live", place.path / "back"
    (live / "folder").mkdir(parents=True)
    for name in ("flagged", "plain", "later", "folder/inside"):
        (live / name).write_text(name)
    wanted = {"flagged": SYNC | NOATIME, "plain": 0, "later": 0, "folder": NOATIME | DIRSYNC, "folder/inside": 0}
    try:
        for name, flags in wanted.items():
            set_flags(live / name, flags)
    except OSError:
        print("this file system has no flags: nothing tested")
        return
    wanted = {name: flags_of(live / name) for name in wanted}
    print("flags here:", {name: hex(flags) for name, flags in wanted.items()})
    time.sleep(3.2)  # younger states are read again
    place.run("init")
    place.run("backup", live)
    assert place.summary("backup", live, "--force")["entries_changed"] == 0
    assert place.summary("backup", live)["bytes_read"] == 0  # taken over, flags and all
    place.run("restore", f"latest:{live}", "--to", back, "--verify")
    assert {name: flags_of(back / name) for name in wanted} == wanted
    # What was flagged since is seen, and a restore in place takes it back.
    set_flags(live / "later", NOATIME)
    set_flags(live / "folder", 0)
    changed = [r for r in place.json("verify", "latest", status=3) if r["type"] == "difference"]
    assert sorted((r["path"][len(str(live)):], r["what"]) for r in changed) == [("folder", ["flags"]), ("later", ["flags"])], changed
    place.run("backup", live)
    changed = [r for r in place.json("diff", "--metadata", "latest~1", "latest") if r["type"] == "difference"]
    assert sorted(r["what"] for r in changed if not r["path"].endswith("live")) == [["flags"], ["flags"]], changed
    place.run("restore", f"latest~1:{live}", "--in-place")
    assert {name: flags_of(live / name) for name in wanted} == wanted
    # And so it is where the time of change counts for nothing.
    place.run("backup", live, "--ignore-ctime")
    place.run("backup", live, "--ignore-ctime")
    remove(back)
    place.run("restore", f"latest:{live}", "--to", back, "--verify")
    assert {name: flags_of(back / name) for name in wanted} == wanted


TESTS = [odd_tree_comes_back_as_it_was, real_trees_of_this_machine_come_back, a_restore_over_something_else_replaces_it, file_flags_come_back]

if __name__ == "__main__":
    chosen = [test for test in TESTS if len(sys.argv) < 3 or test.__name__ in sys.argv[2:]]
    sys.exit(run_all(chosen, sys.argv[1]))
