"""Commands one after the other from a beginning that is known (fixtures.py), so that after a cut every mirror has to be
just what it was before the command that was cut, or just what an undisturbed run of that command makes of it.
"""

import json
import os
import pathlib
import shutil

import content
import life
from fixtures import memory, place, placed
from life import LIBC, attempt, bad, pantry, say


def fit(found, wanted):
    """Whether a mirror is what it should be. Of one that is rotten, what was whole is, and more may be."""
    if wanted and not wanted["whole"]:
        return set(wanted["present"]) <= set(found["present"])
    return found == wanted


class Steps:
    def __init__(self):
        self.fixtures = [json.loads(pathlib.Path(f + ".json").read_text()) for f in life.JOB["fixtures"]]

    def prepare(self):
        pass

    def words(self, variant, step):
        return placed(self.fixtures[variant]["steps"][step], life.DISK)

    def facts(self):
        """What the machine remembers, to be told when a command has reported success."""
        return {"memory": memory(life.DISK)}

    # Working

    def begin(self, variant):
        """The beginning is laid down so that it lasts; that is not what is tested."""
        say("begin", {"variant": variant})
        for path in life.DISK.iterdir():
            if path.is_file():
                path.unlink()  # what fsck found
            elif path.name != "lost+found":
                shutil.rmtree(path)
        for path in pathlib.Path(life.JOB["fixtures"][variant]).iterdir():
            # Modes and times are no matter here, and no file system's affair.
            shutil.copytree(path, life.DISK / path.name, copy_function=shutil.copyfile)
        for key in (life.DISK / "home/trust/keys").glob("*.key"):
            key.chmod(0o600)
        LIBC.sync()
        say("done", {"variant": variant, "at": 0, **self.facts()})

    def work(self, state):
        variant, at = state["variant"], state["at"]
        while True:
            if variant is None or at == len(self.fixtures[variant]["steps"]):
                variant, at = life.RANDOM.randrange(len(self.fixtures)), 0
                self.begin(variant)
            if not attempt({"variant": variant, "at": at + 1}, *self.words(variant, at), facts=self.facts):
                return
            at += 1

    # Looking

    def look(self, expected):
        nothing = {"variant": None, "at": 0}
        if expected["variant"] is None:
            return nothing
        variant, at, begun = expected["variant"], expected["at"], expected["begun"]
        told = self.fixtures[variant]
        now = self.read(told["states"][at]["mirrors"])
        if now is None or not self.remembers(expected["memory"]):
            return nothing
        is_new = True
        for name, found in now.items():
            fits = [k for k in (at, at + 1)[: 1 + begun] if fit(found, told["states"][k]["mirrors"].get(name))]
            if not fits:
                self.differs(name, found, told["states"][at]["mirrors"].get(name), f"after step {at} of {variant}, begun: {begun}")
                return nothing
            is_new &= begun and at + 1 in fits
        for name in told["states"][at]["mirrors"]:
            if name not in now:
                bad("lost", f"the mirror {name} as a whole")
                return nothing
        # The command that was cut, again; then on as before the cut, or to the end here and now.
        to = min(at + 1, len(told["steps"])) if life.RANDOM.random() < 0.6 else len(told["steps"])
        for step in range(at, to):
            words = self.words(variant, step)
            status, text = pantry(*words)
            # What was done and not reported may be refused the second time.
            done = step == at and begun and is_new and words[:2] in (["mirror", "remove"], ["mirror", "key"])
            if status != 0 and not (done and status in (1, 4)):
                bad("unrepaired", f"status {status}: {text[-600:]} in {' '.join(words)[:200]}")
                return nothing
            if step not in (at, to - 1):
                continue
            before, now = now, self.read(told["states"][step + 1]["mirrors"], step == to - 1)
            if now is None:
                return nothing
            for name, found in now.items():
                wanted = told["states"][step + 1]["mirrors"][name]
                if not fit(found, wanted):
                    self.differs(name, found, wanted, f"after step {step + 1} of {variant} again")
                    return nothing
                # What had nothing to do has written nothing, and leaves what a cut left before it.
                left = os.listdir(place(life.DISK, name) / "TMP")
                if left and before[name] != found:
                    bad("left", f"{name}/TMP holds {sorted(left)} after a command")
        self.tidy(told, now, to == len(told["steps"]))
        return {"variant": variant, "at": to, "memory": memory(life.DISK)}

    def read(self, expected, verify=True):
        """What every mirror holds; the reader, and `verify`, have looked at every byte. One that was rotten may still be."""
        now = {}
        for name in ("home", "stick", "other"):
            where = place(life.DISK, name)
            if not where.exists():
                continue
            # An unsigned one is read as well; one that is no longer signed, or older than it was, is not.
            status, text = pantry("mirror", "verify", where, signatures="warn") if verify else (0, "")
            rotten = name in expected and not expected[name]["whole"]
            if status != 0 and not rotten:
                bad("torn", f"{name}: status {status}: {text[-900:]}")
                return None
            try:
                now[name] = content.of(where)
                if not now[name]["whole"] and not rotten:
                    raise ValueError("the reader in Python finds damage")
            except Exception as error:  # whatever the bytes make of the reader
                if isinstance(error, OSError) and life.is_stuck():
                    raise
                bad("torn", f"{name}: {error!r}")
                return None
        return now

    def remembers(self, before):
        """Keys and pins of which a command had reported success are there; more may be."""
        try:
            now = memory(life.DISK)
        except ValueError as error:
            bad("torn", f"the machine's memory: {error}")
            return False
        if now["keys"][: len(before["keys"])] != before["keys"]:
            bad("lost", f"secret keys: {before['keys']} had been reported, there are {now['keys']}")
            return False
        for mirror, seen in before["pins"].items():
            found = now["pins"].get(mirror)
            if found is None or any(n < s for n, s in zip(found, seen)):
                bad("lost", f"the pin of {mirror}: {seen} had been reported, there is {found}")
                return False
        return True

    def tidy(self, told, now, at_end):
        left = [p.name for p in (life.DISK / "home").rglob(".*") if p.is_file()]
        if left:
            bad("left", f"the machine's folder holds {left} after a command")
        if not at_end:
            return
        for name, wanted in told["files"].items():
            status, text = pantry("mirror", "gc", place(life.DISK, name))
            found = content.files(place(life.DISK, name))
            # Each rotation that was cut may have been done twice, and word of other mirrors is left by each run.
            for kind in ("KEY", "SEE"):
                found.pop(kind, None), wanted.pop(kind, None)
            if status != 0 or found != wanted:
                bad("left", f"{name} has {found} files after a clean-up, and should have {wanted}: {text[-300:]}")

    def differs(self, name, found, wanted, when):
        lost = sorted(set(wanted["present"]) - set(found["present"])) if wanted else []
        more = sorted(set(found["present"]) - set(wanted["present"])) if wanted else []
        bad("lost" if lost else "torn", f"{name} is neither old nor new {when}: lacks {lost[:5]}, has {more[:5]} beside")
