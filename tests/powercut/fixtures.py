"""What is done to mirrors between cuts, step by step: which commands, from which beginning, and what an undisturbed run
of them makes after every step. A row is a list of beginnings (`made`) and of commands that are cut (`steps`).

A fixture is a folder that is copied onto the disk whole: `home` ($PANTRY_HOME: home mirror, keys, pins), `stick` and
`other`, mirrors with keys. In commands `{home}` is the home mirror, `{stick}` and `{other}` those; `{new}` some archives
that are in none of them yet, `{blob}` a large one among them.
"""

import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess

import content

HOME, STICK, OTHER = "mirror init", "mirror init {stick} --label stick", "mirror init {other} --label other"
TO_HOME, TO_STICK, TO_OTHER = ("mirror add --mirror {%s} {new}" % where for where in ("home", "stick", "other"))
BLOB_HOME, BLOB_STICK = "mirror add --mirror {home} {blob} {new}", "mirror add --mirror {stick} {blob} {new}"
UNSIGNED = "PANTRY_SIGNATURES=off "

# Row → what is made before (on the host), the commands that are cut.
ROWS = {
    "sync to a stick": (
        [HOME, STICK, BLOB_HOME, TO_HOME, TO_HOME],
        ["sync {home} {stick}", TO_HOME, BLOB_HOME, "sync {home} {stick}", "mirror remove --mirror {home} {gone}", TO_HOME,
         "sync {home} {stick}"],
    ),
    "sync from a stick": (
        [HOME, STICK, BLOB_STICK, TO_STICK, TO_STICK],
        ["sync {stick}", TO_STICK, BLOB_STICK, "sync {stick}", TO_STICK, "sync {stick}"],
    ),
    "sync --both": (
        [HOME, STICK, BLOB_HOME, TO_STICK, TO_STICK],
        ["sync {stick} --both", TO_HOME, BLOB_STICK, "sync {stick} --both", TO_STICK, "sync {stick} --both"],
    ),
    # Three that have diverged from one; then each hears what the others have.
    "sync, three merged": (
        [HOME, STICK, OTHER, TO_HOME, BLOB_HOME, "sync {home} {stick}", "sync {home} {other}", TO_HOME, BLOB_STICK, TO_OTHER],
        ["sync {other} {stick}", "sync {stick}", "sync {home} {other}", TO_OTHER, TO_STICK, "sync {stick} {other}",
         "sync {other} {stick}"],
    ),
    "sync, chosen": (
        [HOME, STICK, BLOB_STICK, TO_STICK, TO_STICK, TO_HOME],
        ["sync {stick} --max 40K", "sync {stick} --max 80K", TO_STICK, "sync {stick} --max 60K", "sync {stick}"],
    ),
    "mirror gc": (
        [STICK, BLOB_STICK, TO_STICK, TO_STICK, "mirror remove --mirror {stick} {gone}"],
        ["mirror gc {stick}", "mirror remove --mirror {stick} {gone}", BLOB_STICK, "mirror gc {stick}", TO_STICK,
         "mirror remove --mirror {stick} {gone}", "mirror gc {stick}"],
    ),
    # A bit of every file of archives has turned; the other mirror has them all.
    "mirror repair --from": (
        [STICK, OTHER, BLOB_STICK, TO_STICK, TO_STICK, "sync {stick} {other}", "rot {stick}", TO_STICK],
        ["mirror repair {stick} --from {other}", TO_STICK, "mirror gc {stick}"],
    ),
    "mirror key create": (
        [UNSIGNED + STICK, UNSIGNED + BLOB_STICK],
        ["mirror key create {stick}", TO_STICK, TO_STICK],
    ),
    "mirror key rotate": (
        [STICK, TO_STICK],
        ["mirror key rotate {stick}", TO_STICK, "mirror key rotate {stick}", BLOB_STICK, "mirror key rotate {stick}", TO_STICK],
    ),
}
VARIANTS = 3


class Fixture:
    """One beginning of a row, and what comes after it."""

    def __init__(self, where, pantry, shelf, row, variant):
        self.where, self.pantry = where, pantry
        self.random = random.Random(f"{row} {variant}")
        self.archives = {kind: self.random.sample(names, len(names)) for kind, names in shelf["names"].items()}
        self.shelf, self.added, self.gone = pathlib.Path(shelf["shelf"]), [], set()
        made, steps = ROWS[row]
        (where / "home").mkdir(parents=True)
        for command in made:
            self.run(where, self.words(command))
        undisturbed = where.with_name(where.name + "-undisturbed")
        shutil.copytree(where, undisturbed)
        self.steps, self.states = [], [self.state(undisturbed)]
        for command in steps:
            self.steps.append(self.words(command))
            self.run(undisturbed, self.steps[-1])
            self.states.append(self.state(undisturbed))
        for name in self.states[-1]["mirrors"]:
            self.run(undisturbed, ["mirror", "gc", "{%s}" % name])
        files = {name: content.files(place(undisturbed, name)) for name in self.states[-1]["mirrors"]}
        shutil.rmtree(undisturbed)
        told = {"steps": self.steps, "states": self.states, "files": files}
        where.with_suffix(".json").write_text(json.dumps(told))

    def words(self, command):
        """The command as a list, with archives chosen; folders stay `{home}` and so on."""
        words = []
        for word in command.split():
            if word == "{new}":
                words += self.take("small", self.random.randint(2, 6))
            elif word == "{blob}":
                words += self.take("blobs", 1)
            elif word == "{gone}":
                # The oldest: whole packs become free.
                one = next(n for n in self.added if n not in self.gone)
                self.gone.add(one)
                words.append(one)
            else:
                words.append(word)
        return words

    def take(self, kind, count):
        chosen = [self.archives[kind].pop() for _ in range(count)]
        self.added += chosen
        return [str(self.shelf / (n.replace("@", "-") + ".tgz")) for n in chosen]

    def run(self, top, words):
        if words[0] == "rot":
            return rot(pathlib.Path(placed(words, top)[1]))
        environment = {"PATH": os.environ["PATH"], "HOME": str(top), "PANTRY_HOME": str(top / "home"), "NO_COLOR": "1"}
        while "=" in words[0]:
            name, _, value = words[0].partition("=")
            environment[name], words = value, words[1:]
        done = subprocess.run([self.pantry, *placed(words, top)], env=environment, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: status {done.returncode}: {done.stderr.decode()}")

    @staticmethod
    def state(top):
        there = [name for name in ("home", "stick", "other") if (place(top, name) / "ROOT.A").exists()]
        return {"mirrors": {name: content.of(place(top, name)) for name in there}, **memory(top)}


def place(top, name):
    return top / "home/mirror" if name == "home" else top / name


def placed(words, top):
    return [word.format(**{name: place(top, name) for name in ("home", "stick", "other")}) if "{" in word else word for word in words]


def rot(mirror):
    for path in [path for folder in ("PAK", "BLB") for path in (mirror / folder).rglob("*") if path.is_file()]:
        with open(path, "r+b") as file:
            file.seek(path.stat().st_size // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 16]))


def memory(top):
    """What the machine knows: its secret keys (a name for each), and how far it has seen which mirror."""
    keys, pins = [], {}
    for path in sorted((top / "home/trust/keys").glob("*.key")):
        text = path.read_text()
        if len(text) != 65:
            raise ValueError(f"{path.name}: {len(text)} characters are no key")
        keys.append(hashlib.sha256(text.encode()).hexdigest()[:12])
    folder = top / "home/trust/mirrors"
    for path in folder.iterdir() if folder.exists() else []:
        if not path.name.startswith("."):
            lines = [line.split(" ") for line in path.read_text().splitlines()]
            head = [int(fields[1]) for fields in lines if fields[0] == "head"]
            version = [int(fields[1]) for fields in lines if fields[0] == "version"]
            if lines[0] != ["pantry-pin", "1"] or not version:
                raise ValueError(f"{path.name}: no pin")
            pins[path.name] = [*head, *version]
    return {"keys": keys, "pins": pins}
