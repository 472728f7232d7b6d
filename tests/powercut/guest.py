"""What the emulated machine does in one life: looks at what the last cut left, says what is wrong with it, then works
until the power goes. Started by guest.sh with the path of a job (see powercut.py); everything is said on the console:

    @bad …        something that was reported as done is not there or not whole, or a repair did not happen by itself
    @state …      what is there now
    @go           work begins
    @begin … @done …   around every command; @done is only said after the command reported success
    @end          nothing left to do
"""

import ctypes
import fcntl
import hashlib
import http.server
import json
import os
import pathlib
import random
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time

JOB = json.loads(pathlib.Path(sys.argv[1]).read_text())
BASE = pathlib.Path(os.environ["base"])
DISK = BASE / "disk"
RANDOM = random.Random(JOB["seed"])
LIBC = ctypes.CDLL(None, use_errno=True)


def say(word, fact=None):
    text = f"@{word}" + ("" if fact is None else " " + json.dumps(fact, sort_keys=True))
    os.write(1, text.encode() + b"\n")


def bad(kind, text):
    say("bad", [kind, text])


def is_stuck():
    """Whether the kernel has set the disk read-only: FAT after a cut, in a way that only fsck mends."""
    line = next(line for line in open("/proc/mounts") if f" {DISK} " in line)
    return line.split()[3].split(",")[0] == "ro"


class Stuck(Exception):
    pass


def mount(device, where, kind, options=""):
    where.mkdir(exist_ok=True)
    if LIBC.mount(device.encode(), str(where).encode(), kind.encode(), 0, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), f"mount {device}")


def power_off():
    sys.stdout.flush()
    LIBC.sync()
    LIBC.reboot(0x4321FEDC)


def pantry(*words, home=None, cwd="/"):
    """Status and output of a command."""
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(BASE), "PANTRY_HOME": str(home or BASE / "home"), "NO_COLOR": "1"}
    done = subprocess.run(
        [JOB["pantry"], *map(str, words)], cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    if done.returncode != 0 and is_stuck():
        raise Stuck
    return done.returncode, done.stdout.decode("utf-8", "replace")


def attempt(what, *words, done=None, **more):
    """A command of the workload: its success is an acknowledgement."""
    say("begin", what)
    status, text = pantry(*words, **more)
    if status != 0:
        bad("failed", f"status {status}: {text[-400:]} in {' '.join(map(str, words))[:200]}")
        return False
    say("done", what)
    return True


class Registry(http.server.BaseHTTPRequestHandler):
    """The shelf of packages.py as an npm registry on loopback."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name = self.path.rsplit("/", 1)[-1]
        path = pathlib.Path(JOB["shelf"]) / (name if self.path.startswith("/-/") else name + ".json")
        body = path.read_bytes() if path.exists() else b"{}"
        self.send_response(200 if path.exists() else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    @staticmethod
    def start():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            fcntl.ioctl(s, 0x8914, struct.pack("16sH14s", b"lo", 0x41, b""))  # SIOCSIFFLAGS: up, running
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Registry)
        threading.Thread(target=server.serve_forever, daemon=True).start()


REGISTRY = ["--registry", "http://127.0.0.1:8080/"]


class Mirror:
    """`mirror add`, `pull`, `remove` and `gc` on a mirror on the disk."""

    where = DISK / "PANTRY"

    def prepare(self):
        status, text = pantry("mirror", "init", self.where)
        if status != 0:
            bad("failed", f"mirror init: {text}")

    def look(self, expected):
        """Everything that was reported is there and whole; what was being done may be there or not."""
        status, text = pantry("mirror", "verify", self.where, "--json")
        if status != 0:
            bad("torn", text[-1500:])
        status, text = pantry("mirror", "list", self.where, "--versions", "--json")
        if status != 0:
            bad("lost", f"the whole list: {text[-600:]}")
            return None
        present = {f"{r['name']}@{v}" for r in json.loads(text) for v in r["versions"]}
        may, must = set(expected["pending"]), set(expected["present"])
        for one in sorted(must - present - may):
            bad("lost", one)
        for one in sorted(present - must - may):
            bad("back", f"{one} was removed, and is here again")
        return sorted(present)

    def tidy(self):
        left = sorted(os.listdir(self.where / "TMP"))
        if left:
            bad("left", f"TMP/ holds {left} after a command")

    def sweep(self, present):
        """One removal or `gc`, so that files are deleted and their clusters used again."""
        if RANDOM.random() < 0.5 and len(present) > 20:
            one = RANDOM.choice(sorted(present))
            if attempt({"remove": [one]}, "mirror", "remove", "--mirror", self.where, one):
                present.discard(one)
        else:
            attempt({}, "mirror", "gc", self.where)


class Add(Mirror):
    def work(self, present):
        present = set(present)
        names, shelf = JOB["names"], pathlib.Path(JOB["shelf"])
        while True:
            dice = RANDOM.random()
            if dice < 0.15:
                self.sweep(present)
                continue
            pool = names["bulk"] if dice < 0.18 else names["small"] + names["blobs"]
            left = [n for n in pool if n not in present]
            if not left:
                self.sweep(present)
                continue
            some = left if pool is names["bulk"] else RANDOM.sample(left, min(len(left), RANDOM.randint(1, 4)))
            files = [shelf / (n.replace("@", "-") + ".tgz") for n in some]
            if attempt({"add": some}, "mirror", "add", "--mirror", self.where, *files):
                present.update(some)
                self.tidy()


class Pull(Mirror):
    def work(self, present):
        present, needs = set(present), JOB["names"]
        while True:
            left = [app for app in needs if app not in present]
            if not left or RANDOM.random() < 0.1:
                self.sweep(present)
                continue
            app = RANDOM.choice(left)
            if attempt({"add": needs[app]}, "mirror", "pull", app, "--mirror", self.where, *REGISTRY):
                present.update(needs[app])
                self.tidy()


def entry(path):
    """What stands at a path, as text: kind, executable bit, content's hash or link's text."""
    if path.is_symlink():
        return "l " + os.readlink(path)
    if path.is_dir():
        return "d"
    content = path.read_bytes()
    mode = "x" if path.stat().st_mode & 0o100 and JOB["fs"] != "vfat" else "f"
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

    project = DISK / "app"

    def __init__(self):
        self.home = BASE / "home" if JOB["store"] == "tmpfs" else DISK / "home"
        self.source = REGISTRY if JOB["online"] else ["--offline", "--mirror", JOB["mirror"]]
        self.linkers = ["hoisted"] if JOB["fs"] == "vfat" else ["hoisted", "isolated", "store"]

    def ways(self):
        """Every manifest in every way of installing it: name → (manifest's number, options)."""
        return {
            f"{k} {linker}{' production' if p else ''}": (k, ["--linker", linker] + (["--production"] if p else []))
            for k in range(len(JOB["manifests"])) for linker in self.linkers for p in (False, True)
        }

    def manifest(self, k):
        """The user's own change, made so that it lasts: it is not what is tested."""
        LIBC.sync()
        path, fresh = self.project / "package.json", self.project / "package.json~"
        fresh.write_text(json.dumps(JOB["manifests"][k], indent=2) + "\n")
        fresh.replace(path)
        LIBC.sync()

    def number(self):
        text = json.loads((self.project / "package.json").read_text())
        return JOB["manifests"].index(text)

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
        out = BASE / "out"
        mount("none", out, "hostfs", JOB["work"])
        (out / "reference").write_text(json.dumps(made))
        LIBC.umount(str(out).encode())
        LIBC.sync()

    @staticmethod
    def reference():
        return json.loads((pathlib.Path(JOB["work"]) / "reference").read_text())

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
        locks = {m: reference[f"{m} hoisted"]["lock"] for m in range(len(JOB["manifests"]))}
        # Reported: the lock of the last install that said so, or of what was being done after it.
        allowed = [locks[m] for m in expected["locks"]] if expected["locks"] else [None, locks[k]]
        if found not in allowed:
            kind = "torn" if found is not None and found not in locks.values() else "lost"
            bad(kind, f"pantry.lock is none of {expected['locks']}: {found if found is None else found[:200]!r}")
        left = sorted(set(os.listdir(self.project)) - {"package.json", "pantry.lock", "node_modules"})
        way = RANDOM.choice([w for w, (m, _) in self.ways().items() if m == k])
        # The cut may have come between a change of the manifest and the command for it.
        if expected["way"] and self.ways()[expected["way"]][0] == k and RANDOM.random() < 0.6:
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
            dice = RANDOM.random()
            if dice < 0.5:
                self.manifest(RANDOM.randrange(len(JOB["manifests"])))
            elif dice < 0.6:
                shutil.rmtree(self.project / "node_modules")
            k = self.number()
            way = RANDOM.choice([w for w, (m, _) in self.ways().items() if m == k])
            options = self.ways()[way][1] + (["--force"] if RANDOM.random() < 0.1 else [])
            attempt({"lock": k, "way": way}, "install", *options, *self.source, home=self.home, cwd=self.project)


class Stick(Install):
    """`install` on a stick that is pulled out afterwards without a word and put back, while the machine runs on."""

    def look(self, expected):
        devices = ["/dev/ubda", "/dev/ubdb"]
        for _ in range(JOB["rounds"]):
            self.manifest(RANDOM.randrange(len(JOB["manifests"])))
            way = RANDOM.choice([w for w, (m, _) in self.ways().items() if m == self.number()])
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
        if LIBC.umount2(str(DISK).encode(), 0) != 0:
            raise OSError(ctypes.get_errno(), "umount")
        mount(devices[1], DISK, JOB["fs"], JOB["options"])


class Naive:
    """What the harness must catch: write, fsync, rename, fsync of the directory. On FAT the size goes with the rename."""

    where = DISK / "objects"

    def prepare(self):
        self.where.mkdir()
        LIBC.sync()

    def look(self, expected):
        for name in expected["present"]:
            path = self.where / name
            if not path.exists():
                bad("lost", name)
            elif hashlib.sha256(path.read_bytes()).hexdigest()[:16] != name:
                bad("torn", f"{name} has {path.stat().st_size} bytes")
        shutil.rmtree(self.where)
        self.where.mkdir()
        LIBC.sync()
        return []

    def work(self, _):
        directory = os.open(self.where, os.O_RDONLY)
        while True:
            content = RANDOM.randbytes(12_000)
            name = hashlib.sha256(content).hexdigest()[:16]
            say("begin", {"add": [name]})
            with open(self.where / "temporary", "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.rename(self.where / "temporary", self.where / name)
            os.fsync(directory)
            say("done", {"add": [name]})


def main():
    if JOB["writeback"]:
        # Background writing at its most restless: parts of what nobody synced reach the disk, in any mixture.
        for name in ("dirty_writeback_centisecs", "dirty_expire_centisecs"):
            pathlib.Path("/proc/sys/vm", name).write_text(str(JOB["writeback"]))
    if JOB["online"]:
        Registry.start()
    mount("/dev/ubda", DISK, JOB["fs"], JOB["options"])
    one = {"add": Add, "pull": Pull, "install": Install, "stick": Stick, "naive": Naive}[JOB["scenario"]]()
    if JOB["life"] == 0:
        one.prepare()
        state = one.look(JOB["expected"]) if JOB["scenario"] != "naive" else []
    else:
        state = one.look(JOB["expected"])
    say("state", state)
    if JOB["work"] and not JOB["last"] and state is not None:
        say("go")
        one.work(state)
    say("end")


try:
    main()
except Stuck:
    say("stuck")
    say("end")
except BaseException as error:  # the console is all there is
    if isinstance(error, OSError) and DISK.is_mount() and is_stuck():
        say("stuck")
        say("end")
        power_off()
    import traceback

    bad("harness", traceback.format_exc()[-1500:])
    say("end")
power_off()
