#!/usr/bin/env python3
"""Profiles: what --profile takes from config files, and what it refuses. profile_test.py COMMAND"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from command_line import run_all  # noqa: E402


def write_profile(place, text):
    folder = place.path / ".config" / "backstay"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.toml").write_text(text)


def forget_environment(place):
    """So that only the profile says where the repository and its key are."""
    for name in ("BACKSTAY_REPOSITORY", "BACKSTAY_KEY_FILE"):
        del place.environment[name]


def make_live(place):
    live = place.path / "live"
    live.mkdir()
    (live / "kept").write_text("kept")
    (live / "left.tmp").write_text("left out")
    return live


def names_in_latest(place, *options):
    return {record["path"].rsplit("/", 1)[-1] for record in place.json(*options, "ls", "latest", "--recursive")[:-1]}


def a_profile_gives_repository_key_and_defaults(place):
    live = make_live(place)
    forget_environment(place)
    write_profile(place, f"""
        [home]
        repository = "{place.path}/repository"
        key-file = "{place.path}/key"

        [home.backup]
        exclude = ["*.tmp"]
        tag = "nightly"
        compression = 3

        [home.check]
        read-data = "100%"

        [other]
        repository = "/nowhere"
    """)
    place.run("--profile", "home", "init")
    place.run("backup", live, "--profile", "home")
    assert place.json("--profile", "home", "snapshots")[0]["tags"] == ["nightly"]
    assert names_in_latest(place, "--profile", "home") >= {"kept"}
    assert "left.tmp" not in names_in_latest(place, "--profile", "home")
    assert place.summary("--profile", "home", "check")["bytes_checked"] > 0


def the_command_line_comes_before_the_profile_and_that_before_the_environment(place):
    live = make_live(place)
    write_profile(place, f"""
        [home]
        repository = "{place.path}/other"
        passphrase-command = "false"

        [home.backup]
        exclude = ["*"]
        force = false
    """)
    place.run("--profile", "home", "init", "--key-file", place.path / "key")
    assert (place.path / "other").exists() and not (place.path / "repository").exists()
    place.run("--profile", "home", "--key-file", place.path / "key", "backup", live, "--exclude", "*.tmp")
    assert "kept" in names_in_latest(place, "--profile", "home", "--key-file", place.path / "key")
    place.run("--profile", "home", "snapshots", status=1)  # the profile's command for the passphrase fails
    place.run("-r", place.path / "elsewhere", "--profile", "home", "snapshots", status=1)
    assert "elsewhere" in place.stderr


def what_a_profile_cannot_mean_is_refused_with_its_file(place):
    file = place.path / ".config" / "backstay" / "config.toml"
    place.run("--profile", "home", "snapshots", status=2)
    assert str(file) in place.stderr
    for text, words in [
        ("[home]\nrepositry = '/x'", ["repositry", "'repository'"]),
        ("[home]\npassphrase = 'secret'", ["no option 'passphrase'"]),
        ("[home]\nprofile = 'home'", ["no option 'profile'"]),
        ("[home]\njson = 'yes'", ["true or false"]),
        ("[home]\nrepository = ['a', 'b']", ["takes one value"]),
        ("[home]\nrepository = 1979-05-27", ["'repository'"]),
        ("[home.snapshts]\nlatest = 1", ["snapshts", "'snapshots'"]),
        ("[home.snapshots]\nexclude = 'x'", ["home.snapshots", "no option 'exclude'"]),
        ("[work]\nrepository = '/x'", ["no profile 'home'", "work"]),
        ("[home\nrepository = '/x'", ["line 1"]),
    ]:
        write_profile(place, text)
        place.run("--profile", "home", "snapshots", status=2)
        for word in [str(file), *words]:
            assert word in place.stderr, (text, place.stderr)
    write_profile(place, "[home]\nrepository = '/x'\n[home.backup]\nno-such = 1")
    place.run("--profile", "home", "snapshots", status=1)  # another command's section is that command's business


TESTS = [
    a_profile_gives_repository_key_and_defaults,
    the_command_line_comes_before_the_profile_and_that_before_the_environment,
    what_a_profile_cannot_mean_is_refused_with_its_file,
]

if __name__ == "__main__":
    sys.exit(run_all(TESTS, sys.argv[1]))
