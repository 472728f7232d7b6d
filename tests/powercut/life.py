"""What the programs of one disk share in the emulated machine: the job, the disk, what is said, how a command is run.

Everything is said on the console, behind the number of the disk:

    @N bad …        something that was reported as done is not there or not whole, or a repair did not happen by itself
    @N state …      what is there now
    @N go           work begins
    @N begin … @N done …   around every command; `done` is only said after the command reported success
    @N end          nothing left to do
"""

import ctypes
import json
import os
import pathlib
import random
import subprocess

LIBC = ctypes.CDLL(None, use_errno=True)
# Filled in by `enter`.
JOB = BASE = DISK = RANDOM = None


def enter(job, base):
    """From here on this process is that disk's. `base`: a folder in memory of its own."""
    global JOB, BASE, DISK, RANDOM
    JOB, BASE, DISK, RANDOM = job, base, base / "disk", random.Random(job["seed"])
    BASE.mkdir()


def say(word, fact=None):
    text = f"@{JOB['index']} {word}" + ("" if fact is None else " " + json.dumps(fact, sort_keys=True))
    os.write(1, text.encode() + b"\n")


def bad(kind, text):
    say("bad", [kind, text])


class Stuck(Exception):
    """The kernel has set the disk read-only: FAT after a cut, in a way that only fsck mends."""


def is_stuck():
    mounted = [line.split() for line in open("/proc/mounts") if f" {DISK} " in line]
    return any(fields[3].split(",")[0] == "ro" for fields in mounted)


def mount(device, where, kind, options=""):
    where.mkdir(exist_ok=True)
    if LIBC.mount(device.encode(), str(where).encode(), kind.encode(), 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount {device}")


def pantry(*words, home=None, cwd="/", signatures="required"):
    """Status and output of a command."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(BASE), "PANTRY_HOME": str(home or DISK / "home"), "NO_COLOR": "1"}
    environment["PANTRY_SIGNATURES"] = signatures
    done = subprocess.run(
        [JOB["pantry"], *map(str, words)], cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if done.returncode != 0 and is_stuck():
        raise Stuck
    return done.returncode, done.stdout.decode("utf-8", "replace")


def attempt(what, *words, facts=None, **more):
    """A command of the workload: its success is an acknowledgement. `facts`: what else can be told of it then."""
    say("begin", what)
    status, text = pantry(*words, **more)
    if status != 0:
        bad("failed", f"status {status}: {text[-400:]} in {' '.join(map(str, words))[:200]}")
        return False
    say("done", what if facts is None else {**what, **facts()})
    return True
