"""Power cuts: pantry on vfat and ext4 in user-mode Linux, killed at random moments; then what was reported as done must be
there and whole, and the next command must mend the rest by itself. `make powercut`; see tests/README.md.

    powercut.py PANTRY [--cuts N] [--seed S] [--only WORD …]

One image per file system and command lives through all its cuts, so that what a cut left behind meets the work after it.
A machine has several such disks and works on all of them at a time: a cut is a cut for each.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import emulator
import fixtures
import packages

SIZE = 64 << 20
FORMAT = {
    # Clusters of 512 bytes: enough of them for FAT32 on 64 MB.
    "vfat": ["mkfs.vfat", "-F", "32", "-s", "1", "-n", "STICK"],
    "ext4": ["mkfs.ext4", "-q", "-F", "-N", "12000"],
}
COMMANDS = {
    "naive": {"scenario": "naive"},
    "naive, without fsync": {"scenario": "careless"},
    **{row: {"scenario": "steps"} for row in fixtures.ROWS},
    "mirror add": {"scenario": "add"},
    "mirror pull": {"scenario": "pull", "online": True},
    "install": {"scenario": "install", "store": "disk", "online": False},
    "install, store elsewhere": {"scenario": "install", "store": "tmpfs", "online": False},
    "install, registry": {"scenario": "install", "store": "disk", "online": True},
    # No cut, a stick that is pulled out and put back: the machine does not start anew.
    "install, pulled out": {"scenario": "stick", "store": "disk", "online": False},
}
# What shares a machine. Writers that lose things are cut at the very moments at which the others are.
MACHINES = [
    ["naive, without fsync", *fixtures.ROWS],
    ["naive", "mirror add", "mirror pull"],
    ["install", "install, store elsewhere", "install, registry"],
    ["install, pulled out"],
]
# Which naive writer has to lose something where; anywhere else it must not.
LOSES = {"naive": ["vfat"], "naive, without fsync": ["vfat", "ext4"]}
NOTHING = {"steps": {"variant": None, "at": 0, "begun": False, "memory": None}, "install": {"locks": [], "way": None}}
LIVES = 100  # that may be lost to fsck, beside those that count


class Disk:
    """One file system and one command, through all its cuts."""

    def __init__(self, top, pantry, fs, command, index, seed, supplies):
        self.fs, self.command = fs, command
        self.work = top / f"{fs}-{command.replace(', ', '-').replace(' ', '-')}"
        self.work.mkdir()
        self.random = random.Random(f"{seed} {fs} {command}")
        self.job = {"fs": fs, "pantry": str(pantry), "work": str(self.work), "options": "", "store": "", "online": False, "index": index}
        self.job |= COMMANDS[command] | supplies[COMMANDS[command]["scenario"] if command not in supplies else command]
        self.kind = {"stick": "install"}.get(self.job["scenario"], self.job["scenario"])
        self.expected = NOTHING.get(self.kind, {"present": [], "pending": []})
        self.lives, self.cuts, self.acknowledged, self.fscks, self.faults, self.ended = 0, 0, 0, 0, [], False
        self.images = [self.work / "disk"] + [self.work / "second"] * ("rounds" in self.job)
        for image in self.images:
            with open(image, "wb") as file:
                file.truncate(SIZE)
        subprocess.run([*FORMAT[fs], self.images[0]], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ready(self, last, devices):
        """What is to be done in the next life."""
        self.job |= {"life": 0 if "rounds" in self.job else self.lives, "last": last, "expected": self.expected}
        self.job |= {"seed": self.random.getrandbits(32), "devices": devices}
        subprocess.run(["cp", "--sparse=always", self.images[0], self.work / "before"], check=True)
        # A FAT volume is looked over by fsck at half of the starts, as some systems do, and where the kernel gives it up.
        if self.fs == "vfat" and self.job["life"] and self.random.random() < 0.5:
            self.mend()
        return self.job

    def lived(self, said, last, text):
        """Takes in what was said; whether the disk can go on."""
        self.lives += 1
        words = {line.split(" ", 1)[0] for line in said}
        # A stick that was pulled out after a success needs no fsck.
        if "stuck" in words and "rounds" not in self.job:
            self.fscks += 1
            self.mend()
            self.take_in(said)
            return self.fscks < LIVES
        wrong = [json.loads(line[4:]) for line in said if line.startswith("bad ")]
        wrong += [["unrepaired", "the kernel has set the disk read-only"] for word in words if word == "stuck"]
        if ("end" if last else "go") not in words or ("end" in words and not last):
            wrong.append(["harness", f"life {self.lives} came to no good end: {text[-1500:]}"])
        self.cuts += not last
        self.ended |= last
        if wrong:
            kept = self.work / f"life{self.lives}"
            kept.mkdir(exist_ok=True)
            shutil.copy(self.work / "before", kept)
            (kept / "said").write_text("\n".join(said))
        self.faults += [(self.cuts, kind, text) for kind, text in wrong]
        self.take_in(said)
        return not any(kind == "harness" for kind, _ in wrong)

    def mend(self):
        subprocess.run(["fsck.vfat", "-a", self.images[0]], stdout=open(self.work / "fsck", "wb"), stderr=subprocess.STDOUT)

    def take_in(self, lines):
        """What was reported must be there after the cut; what was begun and not reported may be."""
        e = self.expected
        for line in lines:
            word, _, fact = line.partition(" ")
            if word not in ("state", "begin", "done") or not fact:
                continue
            fact = json.loads(fact)
            self.acknowledged += word == "done"
            e = getattr(self, {"steps": "step", "install": "installed"}.get(self.kind, "held"))(e, word, fact)
        self.expected = e

    @staticmethod
    def step(e, word, fact):
        if word == "begin":
            # A new beginning is laid down: until it lies there, nothing is known.
            return {**e, "begun": True} if "at" in fact else NOTHING["steps"]
        return {**fact, "begun": False}

    @staticmethod
    def installed(e, word, fact):
        if word == "begin":
            return {"locks": e["locks"] and sorted({*e["locks"], fact["lock"]}), "way": fact["way"]}
        if word == "done":
            return {"locks": [fact["lock"]], "way": fact["way"]}
        return e if fact is None else fact

    @staticmethod
    def held(e, word, fact):
        if word == "begin":
            return {**e, "pending": e["pending"] + fact.get("add", []) + fact.get("remove", [])}
        if word == "done":
            return {"present": sorted(set(e["present"]) - set(fact.get("remove", [])) | set(fact.get("add", []))), "pending": []}
        return e if fact is None else {"present": fact, "pending": []}

    def verdict(self):
        """What is wrong with the row as a whole; a naive writer has to lose something."""
        if self.command not in LOSES:
            return self.faults
        wrong = [f for f in self.faults if f[1] == "harness"]
        caught = any(kind in ("lost", "torn") for _, kind, _ in self.faults)
        if self.fs in LOSES[self.command] and not caught and not wrong:
            wrong = [(0, "harness", f"this writer lost nothing on {self.fs}: this harness sees no losses")]
        if self.fs not in LOSES[self.command] and caught:
            wrong += [(0, "harness", f"this writer lost objects on {self.fs}, whose rename is in order")]
        return wrong

    def row(self):
        count = lambda *kinds: sum(kind in kinds for _, kind, _ in self.faults)
        other = count("back", "left", "failed", "unrepaired", "harness")
        cuts = self.job.get("rounds", self.cuts)
        return f"{self.fs:<6}{self.command:<26}{cuts:>5}{self.acknowledged:>14}{count('lost'):>7}{count('torn'):>7}{other:>7}{self.fscks:>7}"


class Computer:
    """The disks of one file system that share a machine."""

    def __init__(self, top, pantry, fs, commands, seed, supplies):
        self.disks = [Disk(top, pantry, fs, command, i, seed, supplies) for i, command in enumerate(commands)]
        self.work = top / f"machine-{fs}-{len(commands)}-{commands[0].split(' ')[0]}"
        self.work.mkdir()
        self.random = random.Random(f"{seed} {fs} {commands}")

    def lives(self, cuts):
        """All lives, until every disk had its cuts, and then one in which it is only looked at."""
        going = self.disks
        if any("rounds" in disk.job for disk in going):
            for disk in going:
                disk.job["rounds"] = cuts
            return self.life(going, True)
        for _ in range(cuts + LIVES):
            going = [disk for disk in going if disk.cuts < cuts] and [disk for disk in going if disk.cuts < 2 * cuts]
            if not going:
                break
            going = self.life(going, False)
        for _ in range(LIVES):
            going = [disk for disk in self.disks if not disk.ended and not any(kind == "harness" for _, kind, _ in disk.faults)]
            if not going:
                break
            self.life(going, True)

    def life(self, disks, last):
        """One start of the machine: it looks, it works, it is cut. The disks that can go on."""
        images, jobs = [], []
        for disk in disks:
            devices = [f"/dev/ubd{chr(ord('a') + len(images) + i)}" for i in range(len(disk.images))]
            images += disk.images
            jobs.append(disk.ready(last, devices))
        job = {"disks": jobs, "online": False, "writeback": self.random.choice([0, 0, 2, 10, 40])}
        (self.work / "job").write_text(json.dumps(job))
        machine = emulator.Machine(self.work, self.work / "job", images)
        numbers = [disk.job["index"] for disk in disks]
        everywhere = lambda *words: lambda: all(machine.count(n, *words) for n in numbers)
        try:
            if last:
                machine.wait(180 + 20 * max(disk.job.get("rounds", 3) for disk in disks), everywhere("end"))
            elif machine.wait(300, everywhere("go", "end")):
                self.moment(machine, numbers)
        finally:
            machine.cut()
        text = "" if machine.said else machine.text()
        return [disk for disk in disks if disk.lived(machine.said.get(disk.job["index"], []), last, text)]

    def moment(self, machine, numbers):
        """Waits for the moment of the cut: any time, in the midst of a command, or right after one reported success."""
        kind, disk = self.random.choice(["time", "within", "after"]), self.random.choice(numbers)
        if kind == "time":
            return time.sleep(self.random.uniform(0, 1 + len(numbers) / 2))
        word, more = {"within": "begin", "after": "done"}[kind], self.random.randint(1, 10)
        wanted = machine.count(disk, word) + more
        machine.wait(30, lambda: machine.count(disk, word) >= wanted or machine.count(disk, "end"), 0.001)
        if kind == "within":
            time.sleep(self.random.uniform(0, 0.3))


def supplies(top, pantry, commands):
    """The archives, the beginnings of rows, and a mirror on the host for installs without a network."""
    shelves = {kind: top / f"shelf-{kind}" for kind in ("add", "pull", "install")}
    names = packages.for_add(shelves["add"])
    given = {
        "naive": {}, "careless": {},
        "add": {"shelf": str(shelves["add"]), "names": names},
        "pull": {"shelf": str(shelves["pull"]), "names": packages.for_pull(shelves["pull"])},
    }
    for row in (row for row in fixtures.ROWS if row in commands):
        folders = [top / f"fixture-{row.replace(', ', '-').replace(' ', '-')}-{n}" for n in range(fixtures.VARIANTS)]
        for n, folder in enumerate(folders):
            fixtures.Fixture(folder, pantry, given["add"], row, n)
        given[row] = {"fixtures": [str(folder) for folder in folders]}
    manifests = packages.for_install(shelves["install"])
    mirror = top / "mirror"
    quiet = {"check": True, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "env": {"PATH": os.environ["PATH"], "PANTRY_HOME": str(top / "home")}}
    subprocess.run([pantry, "mirror", "init", mirror], **quiet)
    subprocess.run([pantry, "mirror", "add", "--mirror", mirror, *sorted(shelves["install"].glob("*.tgz"))], **quiet)
    given["install"] = {"manifests": manifests, "mirror": str(mirror), "shelf": str(shelves["install"])}
    given["stick"] = {"manifests": manifests, "mirror": str(mirror), "rounds": 0}
    return given


def main():
    options = argparse.ArgumentParser()
    options.add_argument("pantry", type=pathlib.Path)
    options.add_argument("--cuts", type=int, default=25)
    options.add_argument("--seed", type=int, default=None)
    options.add_argument("--only", action="append", default=[], help="part of «FILE SYSTEM COMMAND»")
    options.add_argument("--keep", action="store_true")
    options = options.parse_args()
    seed = options.seed if options.seed is not None else int.from_bytes(os.urandom(4), "little")
    pantry = options.pantry.resolve()
    emulator.adopt()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"power cuts: {options.cuts} per command and file system, seed {seed}", flush=True)
    print(f"{'fs':<6}{'command':<26}{'cuts':>5}{'acknowledged':>14}{'lost':>7}{'torn':>7}{'other':>7}{'fsck':>7}", flush=True)
    top = pathlib.Path(tempfile.mkdtemp(prefix="powercut-")).resolve()
    wanted = lambda fs, command: not options.only or any(word in f"{fs} {command}" for word in options.only)
    failures = []
    try:
        given = supplies(top, pantry, {c for c in COMMANDS for fs in FORMAT if wanted(fs, c)})
        for fs in FORMAT:
            for commands in MACHINES:
                commands = [command for command in commands if wanted(fs, command)]
                if not commands:
                    continue
                started = time.monotonic()
                computer = Computer(top, pantry, fs, commands, seed, given)
                computer.lives(options.cuts)
                for disk in computer.disks:
                    print(disk.row(), flush=True)
                    shown = disk.verdict()
                    for number, kind, text in shown[:12]:
                        print(f"    cut {number}: {kind}: {' '.join(text.split())[:700]}", flush=True)
                    failures += shown
                    if not shown:
                        shutil.rmtree(disk.work)
                print(f"      {time.monotonic() - started:.0f} s", flush=True)
    finally:
        if not options.keep:
            shutil.rmtree(top, ignore_errors=True)
    if failures:
        print(f"power cuts: {len(failures)} faults; again with: PANTRY_POWERCUT_SEED={seed}", file=sys.stderr)
        sys.exit(1)
    print("power cuts: nothing that was reported was lost or torn; every run after a cut mended the rest by itself")


if __name__ == "__main__":
    main()
