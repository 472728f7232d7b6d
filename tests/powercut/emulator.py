"""A machine whose power can be cut: user-mode Linux over disk images that are files of the host.

Its root is the host's tree, read-only; it starts in a second or two. What it says goes to a file: a pipe would stay
open and hang. Killing every one of its processes is the power cut: what the guest's kernel had not written to
the image by then is lost. Writes reach the image in the order in which the guest's block layer sent them.
"""

import ctypes
import os
import pathlib
import signal
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
PR_SET_CHILD_SUBREAPER = 36


def base(*used):
    """A folder that the guest may cover with memory of its own: none of `used` lies in it."""
    free = [d for d in ("/srv", "/mnt", "/media", "/opt") if os.path.isdir(d) and not any(f"{u}/".startswith(d + "/") for u in used)]
    return free[0]


def adopt():
    """The emulator's processes become ours when their parent dies, so that they are waited for and not left as zombies."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


class Hung(Exception):
    pass


class Machine:
    """One start of the emulator. `said` is what life.py has said so far of each disk, by its number: lines without `@N `."""

    def __init__(self, directory, job, images):
        self.console = directory / "console"
        self.read, self.rest, self.said = 0, b"", {}
        command = ["linux", "mem=512M", "root=/dev/root", "rootfstype=hostfs", "rootflags=/", "ro", "quiet", "loglevel=4"]
        command += [f"init={HERE / 'guest.sh'}", f"job={job}", f"base={base(job, HERE)}", "con0=null,fd:1", "con=null", "ssl=null"]
        command += [f"ubd{i}={image}" for i, image in enumerate(images)]
        # It keeps its control socket below HOME and its memory in an unlinked file of TMPDIR.
        memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else str(directory)
        environment = {"PATH": os.environ["PATH"], "HOME": str(directory), "TMPDIR": memory}
        with open(self.console, "wb") as out:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment, start_new_session=True)

    def look(self):
        """Takes in what was said since the last look; whether there was anything."""
        with open(self.console, "rb") as file:
            file.seek(self.read)
            new = file.read()
        self.read += len(new)
        *whole, self.rest = (self.rest + new).split(b"\n")
        for line in whole:
            text = line.decode("utf-8", "replace").strip()
            index, _, word = text[text.find("@") + 1 :].partition(" ")
            if "@" in text[:3] and index.isdigit() and word:
                self.said.setdefault(int(index), []).append(word)
        return bool(new)

    def wait(self, seconds, enough, pause=0.02):
        """Until `enough()`, looked for so often; whether it came to that."""
        end = time.monotonic() + seconds
        while not enough():
            running = self.process.poll() is None
            if not self.look():
                if not running or time.monotonic() > end:
                    return enough()
                time.sleep(pause)
        return True

    def count(self, disk, *words):
        return sum(line.split(" ", 1)[0] in words for line in self.said.get(disk, []))

    def cut(self):
        """The power goes: every process of the emulator is killed, and only those (they share its process group)."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        end = time.monotonic() + 10
        while time.monotonic() < end:
            try:
                if os.waitpid(-self.process.pid, os.WNOHANG) == (0, 0):
                    time.sleep(0.002)
            except ChildProcessError:
                break
        self.look()

    def text(self):
        return self.console.read_bytes().decode("utf-8", "replace")
