"""`mirror add`, `pull`, `remove` and `gc` at random on a mirror that lives through all cuts."""

import fcntl
import http.server
import json
import os
import pathlib
import socket
import struct
import threading

import life
from life import attempt, bad, pantry


class Registry(http.server.BaseHTTPRequestHandler):
    """The shelf of packages.py as an npm registry on loopback."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        name = self.path.rsplit("/", 1)[-1]
        path = pathlib.Path(life.JOB["shelf"]) / (name if self.path.startswith("/-/") else name + ".json")
        # Each disk has a registry of its own.
        body = path.read_bytes().replace(b":8080/", b":%d/" % port()) if path.exists() else b"{}"
        self.send_response(200 if path.exists() else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def port():
    return 8080 + life.JOB["index"]


def loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        fcntl.ioctl(s, 0x8914, struct.pack("16sH14s", b"lo", 0x41, b""))  # SIOCSIFFLAGS: up, running


def registry():
    """Starts it; the words of a command that uses it."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port()), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return ["--registry", f"http://127.0.0.1:{port()}/"]


class Mirror:
    """`mirror add`, `pull`, `remove` and `gc` on a mirror on the disk, signed with a key that lies there as well."""

    @property
    def where(self):
        return life.DISK / "PANTRY"

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
        if life.RANDOM.random() < 0.5 and len(present) > 20:
            one = life.RANDOM.choice(sorted(present))
            if attempt({"remove": [one]}, "mirror", "remove", "--mirror", self.where, one):
                present.discard(one)
        else:
            attempt({}, "mirror", "gc", self.where)


class Add(Mirror):
    def work(self, present):
        present = set(present)
        names, shelf = life.JOB["names"], pathlib.Path(life.JOB["shelf"])
        while True:
            dice = life.RANDOM.random()
            if dice < 0.15:
                self.sweep(present)
                continue
            pool = names["bulk"] if dice < 0.18 else names["small"] + names["blobs"]
            left = [n for n in pool if n not in present]
            if not left:
                self.sweep(present)
                continue
            some = left if pool is names["bulk"] else life.RANDOM.sample(left, min(len(left), life.RANDOM.randint(1, 4)))
            files = [shelf / (n.replace("@", "-") + ".tgz") for n in some]
            if attempt({"add": some}, "mirror", "add", "--mirror", self.where, *files):
                present.update(some)
                self.tidy()


class Pull(Mirror):
    def work(self, present):
        present, needs, source = set(present), life.JOB["names"], registry()
        while True:
            left = [app for app in needs if app not in present]
            if not left or life.RANDOM.random() < 0.1:
                self.sweep(present)
                continue
            app = life.RANDOM.choice(left)
            if attempt({"add": needs[app]}, "mirror", "pull", app, "--mirror", self.where, *source):
                present.update(needs[app])
                self.tidy()


