"""`install` on the disk: what is in the project afterwards is what an undisturbed run makes."""

import ctypes
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import time

import life
from life import LIBC, attempt, bad, mount, pantry, say
from mirrors import registry


def entry(path):
    """What stands at a path, as text: kind, executable bit, content's hash or link's text."""
    if path.is_symlink():
        return "l " + os.readlink(path)
    if path.is_dir():
        return "d"
    content = path.read_bytes()
    mode = "x" if path.stat().st_mode & 0o100 and life.JOB["fs"] != "vfat" else "f"
    return f"{mode} {len(content)} {hashlib.sha256(content).hexdigest()[:24]}"


def tree(top, skip=()):
    found = {}
    for directory, folders, files in os.walk(top):
        for name in folders + files:
            path = pathlib.Path(directory) / name
            short = str(path.relative_to(top))
            if short not in skip:
                found[short] = entry(path)
    return found


class Install:
    """`install` in a project on the disk. The manifest changes over time, and how it is installed."""

    @property
    def project(self):
        return life.DISK / "app"

    def __init__(self):
        self.home = life.BASE / "home" if life.JOB["store"] == "tmpfs" else life.DISK / "home"
        self.source = registry() if life.JOB["online"] else ["--offline", "--mirror", life.JOB["mirror"]]
        self.linkers = ["hoisted"] if life.JOB["fs"] == "vfat" else ["hoisted", "isolated", "store"]

    def ways(self):
        """Every manifest in every way of installing it: name → (manifest's number, options)."""
        return {
            f"{k} {linker}{' production' if p else ''}": (k, ["--linker", linker] + (["--production"] if p else []))
            for k in range(len(life.JOB["manifests"])) for linker in self.linkers for p in (False, True)
        }

    def manifest(self, k):
        """The user's own change, made so that it lasts: it is not what is tested."""
        LIBC.sync()
        path, fresh = self.project / "package.json", self.project / "package.json~"
        fresh.write_text(json.dumps(life.JOB["manifests"][k], indent=2) + "\n")
        fresh.replace(path)
        LIBC.sync()

    def number(self):
        text = json.loads((self.project / "package.json").read_text())
        return life.JOB["manifests"].index(text)

    def prepare(self):
        """What undisturbed runs make on this file system, each from nothing."""
        made = {}
        for way, (k, options) in self.ways().items():
            self.project.mkdir()
            self.manifest(k)
            status, text = pantry("install", *options, *self.source, home=self.home, cwd=self.project)
            if status != 0:
                bad("failed", f"undisturbed {way}: {text}")
            made[way] = {"tree": self.modules(), "lock": self.lock(), "links": self.links()}
            shutil.rmtree(self.project)
            shutil.rmtree(self.home)
        self.project.mkdir()
        self.manifest(0)
        out = life.BASE / "out"
        mount("none", out, "hostfs", life.JOB["work"])
        (out / "reference").write_text(json.dumps(made))
        LIBC.umount(str(out).encode())
        LIBC.sync()

    @staticmethod
    def reference():
        return json.loads((pathlib.Path(life.JOB["work"]) / "reference").read_text())

    def modules(self):
        return tree(self.project / "node_modules", [".pantry/state"])

    def links(self):
        return tree(self.home / "store/links", ["trusted"]) if (self.home / "store/links").exists() else {}

    def lock(self):
        path = self.project / "pantry.lock"
        return path.read_bytes().decode("utf-8", "replace") if path.exists() else None

    def look(self, expected):
        reference = self.reference()
        k, found = self.number(), self.lock()
        locks = {m: reference[f"{m} hoisted"]["lock"] for m in range(len(life.JOB["manifests"]))}
        # Reported: the lock of the last install that said so, or of what was being done after it.
        allowed = [locks[m] for m in expected["locks"]] if expected["locks"] else [None, locks[k]]
        if found not in allowed:
            kind = "torn" if found is not None and found not in locks.values() else "lost"
            bad(kind, f"pantry.lock is none of {expected['locks']}: {found if found is None else found[:200]!r}")
        left = sorted(set(os.listdir(self.project)) - {"package.json", "pantry.lock", "node_modules"})
        way = life.RANDOM.choice([w for w, (m, _) in self.ways().items() if m == k])
        # The cut may have come between a change of the manifest and the command for it.
        if expected["way"] and self.ways()[expected["way"]][0] == k and life.RANDOM.random() < 0.6:
            way = expected["way"]
        options = self.ways()[way][1]
        started = time.monotonic()
        status, text = pantry("install", *options, *self.source, home=self.home, cwd=self.project)
        if status != 0:
            bad("unrepaired", f"install {way}: status {status}: {text[-800:]}")
            return None
        self.compare(way, reference[way], f"after the cut ({len(left)} leftovers: {left[:3]})")
        self.tidy()
        # «Nothing to do» of the same start believes what this one made.
        pantry("install", *options, *self.source, home=self.home, cwd=self.project)
        self.compare(way, reference[way], "the second time")
        say("repaired", round(time.monotonic() - started, 2))
        return {"locks": [k], "way": way}

    def compare(self, way, wanted, when):
        for what, now in (("tree", self.modules()), ("lock", self.lock()), ("links", self.links())):
            if what == "links":
                now = {p: e for p, e in now.items() if p.split("/")[0] in {q.split("/")[0] for q in wanted["links"]}}
            if now == wanted[what]:
                continue
            if what == "lock":
                bad("torn", f"{way}, {when}: the lock differs")
                continue
            differ = sorted(p for p in set(now) | set(wanted[what]) if now.get(p) != wanted[what].get(p))
            say("differs", [(p, now.get(p), wanted[what].get(p)) for p in differ[:6]])
            bad("torn", f"{way}, {when}: {len(differ)} places of the {what} differ, the first {differ[0]}")

    def tidy(self):
        left = sorted(set(os.listdir(self.project)) - {"package.json", "pantry.lock", "node_modules"})
        left += [n for n in os.listdir(self.project / "node_modules/.pantry") if n not in ("state", "pkgs")]
        scratch = self.home / "store/tmp"
        left += os.listdir(scratch) if scratch.exists() else []
        if left:
            bad("left", f"after an install: {left}")

    def work(self, state):
        while True:
            dice = life.RANDOM.random()
            if dice < 0.5:
                self.manifest(life.RANDOM.randrange(len(life.JOB["manifests"])))
            elif dice < 0.6:
                shutil.rmtree(self.project / "node_modules")
            k = self.number()
            way = life.RANDOM.choice([w for w, (m, _) in self.ways().items() if m == k])
            options = self.ways()[way][1] + (["--force"] if life.RANDOM.random() < 0.1 else [])
            attempt({"lock": k, "way": way}, "install", *options, *self.source, home=self.home, cwd=self.project)


class Stick(Install):
    """`install` on a stick that is pulled out afterwards without a word and put back, while the machine runs on."""

    def look(self, expected):
        devices = list(life.JOB["devices"])
        for _ in range(life.JOB["rounds"]):
            self.manifest(life.RANDOM.randrange(len(life.JOB["manifests"])))
            way = life.RANDOM.choice([w for w, (m, _) in self.ways().items() if m == self.number()])
            options = self.ways()[way][1]
            if not attempt({"lock": self.number(), "way": way}, "install", *options, *self.source, home=self.home, cwd=self.project):
                break
            self.pull_out(devices)
            devices.reverse()
            if self.lock() != self.reference()[way]["lock"]:
                bad("lost", f"{way}: the lock that was reported: {(self.lock() or '')[:200]!r}")
            status, text = pantry("install", *options, *self.source, home=self.home, cwd=self.project)
            if status != 0:
                bad("unrepaired", f"install {way}: status {status}: {text[-800:]}")
            self.compare(way, self.reference()[way], "after the stick came back")
            self.tidy()

    def pull_out(self, devices):
        """What is on the device now goes to another one: a new disk for the kernel, with what the old one held when it went."""
        os.chdir("/")
        mirrored = ["dd", f"if={devices[0]}", f"of={devices[1]}", "bs=1M", "iflag=direct", "oflag=direct", "status=none"]
        subprocess.run(mirrored, check=True)
        if LIBC.umount2(str(life.DISK).encode(), 0) != 0:
            raise OSError(ctypes.get_errno(), "umount")
        mount(devices[1], life.DISK, life.JOB["fs"], life.JOB["options"])


