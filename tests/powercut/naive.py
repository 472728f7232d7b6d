"""Writers that lose what they report: where the harness does not catch them, it sees nothing."""

import hashlib
import os
import shutil
import signal

import life
from life import bad, say


class Naive:
    """Write, fsync, rename, fsync of the directory: the usual recipe. On FAT the size goes with the rename."""

    @property
    def where(self):
        return life.DISK / "objects"

    def prepare(self):
        self.where.mkdir(exist_ok=True)
        life.LIBC.sync()

    def look(self, expected):
        try:
            self.count(expected["present"])
            shutil.rmtree(self.where, ignore_errors=not self.where.exists())
        except OSError:
            # What such a writer leaves may be no folder any more.
            raise life.Stuck from None
        self.prepare()
        return []

    def count(self, reported):
        for name in reported:
            path = self.where / name
            if not path.exists():
                bad("lost", name)
            elif hashlib.sha256(path.read_bytes()).hexdigest()[:16] != name:
                bad("torn", f"{name} has {path.stat().st_size} bytes")

    def work(self, _):
        directory = os.open(self.where, os.O_RDONLY)
        # Not more than the disk has room for.
        for _ in range(2500):
            content = life.RANDOM.randbytes(12_000)
            name = hashlib.sha256(content).hexdigest()[:16]
            say("begin", {"add": [name]})
            with open(self.where / "temporary", "xb") as file:
                file.write(content)
                self.make_durable(file)
            os.rename(self.where / "temporary", self.where / name)
            self.make_durable(directory)
            say("done", {"add": [name]})
        signal.pause()

    def make_durable(self, file):
        os.fsync(file)


class Careless(Naive):
    """Write and rename, and hope."""

    def make_durable(self, _):
        pass
