#!/usr/bin/env python3
"""What bash, zsh and fish complete, each asked itself. completions_test.py COMMAND"""

import os
import pty
import re
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "support"))
from command_line import run_all  # noqa: E402

# The words so far, and what the last of them can become.
WANTED = [
    ("rest", ["restore"]),
    ("-r /mnt/backups rest", ["restore"]),
    ("--js", ["--json"]),
    ("restore --overw", ["--overwrite"]),
    ("-r /mnt/backups restore --limit-u", ["--limit-upload"]),
    ("restore --overwrite if-", ["if-changed", "if-newer"]),
    ("--memory 64M ls --color al", ["always"]),
    ("backup --tag a --one-f", ["--one-file-system"]),
    ("prune --overw", []),
    ("help self", ["self-test"]),
]


def script(place, shell, name):
    path = place.path / shell / name
    path.parent.mkdir()
    path.write_bytes(place.run("generate", "completions", shell))
    return path


def bash_completes(place):
    path = script(place, "bash", "backstay")
    ask = 'source "$0"; COMP_WORDS=(backstay "$@"); COMP_CWORD=$#; _backstay; printf "%s\\n" "${COMPREPLY[@]}"'
    for words, wanted in WANTED:
        got = subprocess.run(["bash", "-c", ask, path, *words.split()], check=True, capture_output=True, text=True).stdout.split()
        assert got == wanted, (words, got)


def fish_completes(place):
    path = script(place, "fish", "backstay.fish")
    for words, wanted in WANTED:
        done = subprocess.run(["fish", "--no-config", "-c", f"source {path}; complete -C 'backstay {words}'"], check=True, capture_output=True, text=True, env=place.environment)
        assert done.stderr == "" and [line.split("\t")[0] for line in done.stdout.splitlines()] == wanted, (words, done)


class Zsh:
    """One that believes to sit at a terminal, which alone completes."""

    def __init__(self, place, folder):
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            os.execvpe("zsh", ["zsh", "-f", "-i"], {**place.environment, "TERM": "dumb"})
        self.said = ""
        self.type(f"bindkey -e; fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D; print -r -- '<'ready'>'\n")
        self.until("ready")

    def type(self, keys):
        os.write(self.terminal, keys.encode())

    def until(self, pattern):
        """What stands between angle brackets on a line of its own."""
        deadline = time.monotonic() + 60
        while not (found := re.search(rf"^<({pattern})>\r?$", self.said, re.MULTILINE)):
            assert time.monotonic() < deadline and select.select([self.terminal], [], [], deadline - time.monotonic())[0], self.said
            self.said += os.read(self.terminal, 65536).decode(errors="replace").replace("\r\n", "\n")
        self.said = self.said[found.end():]
        return found[1]

    def complete(self, line):
        """The line after the tabulator key; it is printed instead of being run."""
        self.type(f"{line}\t\x01print -r -- '<\x05>'\n")
        return self.until(".*")

    def end(self):
        os.close(self.terminal)
        os.waitpid(self.process, 0)


def zsh_completes(place):
    zsh = Zsh(place, script(place, "zsh", "_backstay").parent)
    for words, wanted in WANTED:
        got = zsh.complete(f"backstay {words}")
        begun, last = f"backstay {words}".rsplit(" ", 1)
        assert got.rstrip() == f"{begun} {os.path.commonprefix(wanted) or last}", (words, got)
    zsh.end()


def a_shell_without_completions_is_told(place):
    place.run("generate", "completions", "tcsh", status=2)
    assert "bash, zsh and fish" in place.stderr, place.stderr


TESTS = [bash_completes, fish_completes, zsh_completes, a_shell_without_completions_is_told]

if __name__ == "__main__":
    sys.exit(run_all(TESTS, sys.argv[1]))
