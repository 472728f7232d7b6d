#!/usr/bin/env python3
"""Reads a mirror of format version 1, written from mirror/README.md alone.

    mirror_reader.py list DIR          one line per version: ecosystem source name version state
    mirror_reader.py extract DIR OUT   every archive, as OUT/<sha256>.tgz
    mirror_reader.py verify DIR        reads and checks every byte; exit status 1 on damage

Python 3, standard library only.
"""

import base64
import hashlib
import os
import stat
import sys
import zlib
from urllib.parse import unquote_to_bytes

SLOT = 4096
ECOSYSTEMS = {1: "npm", 2: "minz", 3: "pkgx", 4: "github", 5: "git", 6: "http", 7: "custom"}
INTEGRITIES = {1: ("sha1", 20), 2: ("sha256", 32), 3: ("sha384", 48), 4: ("sha512", 64)}
KINDS = ["normal", "optional", "peer", "peerOptional", "dev"]


class Damaged(Exception):
    pass


def sha256(data):
    return hashlib.sha256(data).digest()


class Bytes:
    """A cursor over bytes: numbers, texts, fixed runs."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if n > len(self.data) - self.at:
            raise Damaged("cut off")
        self.at += n
        return self.data[self.at - n : self.at]

    def byte(self):
        return self.take(1)[0]

    def number(self):
        value = shift = 0
        while True:
            b = self.byte()
            value |= (b & 0x7F) << shift
            if b < 0x80:
                if value >> 64:
                    raise Damaged("number too large")
                return value
            shift += 7
            if shift > 63:
                raise Damaged("number too large")

    def text(self):
        return self.take(self.number()).decode("utf-8")

    def pairs(self):
        return [(self.text(), self.text()) for _ in range(self.number())]

    def texts(self):
        return [self.text() for _ in range(self.number())]

    def end(self):
        if self.at != len(self.data):
            raise Damaged("bytes after the end")


def inflate(data, length):
    d = zlib.decompressobj(-15)
    out = d.decompress(data, length + 1)
    if len(out) != length or not d.eof or d.unused_data or d.unconsumed_tail:
        raise Damaged("cannot be inflated")
    return out


class Mirror:
    def __init__(self, directory):
        self.dir, self.lower = directory, False
        for sub in ("", "PANTRY", "pantry"):
            for lower in (False, True):
                d = os.path.join(directory, sub)
                if os.path.lexists(os.path.join(d, "root.a" if lower else "ROOT.A")):
                    self.dir, self.lower = d, lower
                    self.choose()
                    return
        raise Damaged(f"{directory} is not a mirror")

    # Files

    def path(self, *names):
        return os.path.join(self.dir, *(n.lower() if self.lower else n for n in names))

    @staticmethod
    def read(path):
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as f:
            if not stat.S_ISREG(os.fstat(f.fileno()).st_mode):
                raise Damaged(f"{path} is not a regular file")
            return f.read()

    def file(self, folder, digest, length):
        """The content with that hash; raises if it is missing or does not match."""
        name = base64.b32encode(digest).decode()[:11]
        folders = [folder] + ([f"{digest[0] >> 3:02}"] if folder == "BLB" else [])
        seen = False
        for i in range(-1, 1000):
            path = self.path(*folders, name[:8] + "." + (name[8:] if i < 0 else f"{i:03}"))
            if not os.path.lexists(path):
                if i < 0:
                    continue
                break
            seen = True
            if os.lstat(path).st_size == length:
                data = self.read(path)
                if sha256(data) == digest:
                    return data
        raise Damaged(f"{'/'.join(folders)}/{name[:8]}.{name[8:]} " + ("does not match its hash" if seen else "is missing"))

    # Root slots and snapshot

    @staticmethod
    def slot(data):
        """(sequence, hash, length), None for an empty slot; raises for a broken one."""
        if len(data) != SLOT or data[-1:] != b"\n":
            raise Damaged("not 4,096 bytes with a newline")
        line = data[:-1].decode("utf-8").rstrip(" ")
        if not line:
            return None
        body, checksum = line.rsplit(" ", 1)
        if hashlib.sha256((body + " ").encode()).hexdigest()[:16] != checksum:
            raise Damaged("does not match its checksum")
        sequence, snapshot, length, _key, _signature = body.split(" ")
        return int(sequence), bytes.fromhex(snapshot), int(length)

    def choose(self):
        self.broken, states = [], []
        for name in ("ROOT.A", "ROOT.B"):
            try:
                s = self.slot(self.read(self.path(name)))
                if s:
                    states.append(s)
            except (Damaged, OSError, ValueError) as e:
                self.broken.append(f"{name}: {e}")
        self.states = sorted(states, reverse=True)
        for sequence, digest, length in self.states:
            try:
                data = self.file("SNP", digest, length)
            except Damaged as e:
                self.broken.append(str(e))
                continue
            self.snapshot(data)
            if self.sequence != sequence:
                raise Damaged("the snapshot's sequence is not the slot's")
            return
        raise Damaged("no valid state: " + "; ".join(self.broken))

    def snapshot(self, data):
        lines = data.decode("utf-8").split("\n")
        if lines.pop() != "":
            raise Damaged("the snapshot's last line is cut off")
        if lines[0] != "pantry-mirror 1":
            raise Damaged(f"cannot read {lines[0]!r}")
        self.segments, self.packs, self.blob_list, self.exclusions, self.others = [], {}, None, [], []
        self.signers = []
        for line in lines[1:]:
            word, *f = line.split(" ")
            if word == "sequence":
                self.sequence = int(f[0])
            elif word == "id":
                self.id = f[0]
            elif word == "segment":
                self.segments.append(
                    {
                        "hash": bytes.fromhex(f[0]),
                        "bytes": int(f[1]),
                        "level": int(f[2]),
                        "records": int(f[3]),
                        "fence_at": int(f[4]),
                        "fence_bytes": int(f[5]),
                        "fence_hash": bytes.fromhex(f[6]),
                        "first": unquote_to_bytes(f[7]),
                        "last": unquote_to_bytes(f[8]),
                    }
                )
            elif word == "pack":
                self.packs[bytes.fromhex(f[0])] = int(f[1])
            elif word == "blobs" and f[0] != "-":
                self.blob_list = (bytes.fromhex(f[0]), int(f[1]), int(f[2]))
            elif word == "exclude":
                self.exclusions.append((unquote_to_bytes(f[0]), f[1]))
            elif word == "origin":
                self.others.append(("SNP", bytes.fromhex(f[2]), int(f[3])))
            elif word == "signature" and f[0] != "-":
                self.signers.append(f[0])
            elif word == "tool":
                self.others.append(("BIN", bytes.fromhex(f[1]), int(f[2])))

    # Index

    def records(self):
        """Every record by key; a higher level replaces a lower one."""
        found = {}
        for s in self.segments:  # ascending by level
            for key, record in self.segment(s):
                found[key] = record
        return {k: r for k, r in sorted(found.items()) if r["versions"] or r["checked"]}

    def segment(self, s):
        data = self.file("SEG", s["hash"], s["bytes"])
        if data[:8] != b"MIRSEG1\n" or data[-8:] != b"MIRFNC1\n":
            raise Damaged("a segment's first or last bytes are wrong")
        at, length = s["fence_at"], s["fence_bytes"]
        if int.from_bytes(data[-16:-8], "little") != at or at + length + 16 != len(data):
            raise Damaged("a segment's fence is not where the snapshot says")
        fence = data[at : at + length]
        if sha256(fence)[:16] != s["fence_hash"]:
            raise Damaged("a fence does not match its hash")
        f = Bytes(fence)
        position, before, out = 8, b"", []
        for _ in range(f.number()):
            shared = f.number()
            first = before[:shared] + f.take(f.number())
            stored, content = f.number(), f.number()
            half = f.take(16)
            marks = [f.take(2) for _ in range(f.number())]
            block = data[position : position + stored]
            if sha256(block)[:16] != half:
                raise Damaged("a block does not match its hash")
            records = [self.record(r) for r in self.block(block, content)]
            keys = [k for k, _ in records]
            if keys[0] != first or [sha256(k)[:2] for k in keys] != marks:
                raise Damaged("a fence does not describe its block")
            out += records
            position, before = position + stored, first
        f.end()
        keys = [k for k, _ in out]
        if position != at or keys != sorted(set(keys)) or len(keys) != s["records"]:
            raise Damaged("a segment's records are not what the snapshot says")
        if (keys[0], keys[-1]) != (s["first"], s["last"]):
            raise Damaged("a segment's range is not what the snapshot says")
        return out

    @staticmethod
    def block(block, length):
        """The encoded records in a stored block."""
        method = block[0]
        if method == 2:
            b = Bytes(block[1:])
            pieces = [(b.byte(), b.number(), b.number()) for _ in range(b.number())]
            record = b""
            for deflated, raw, stored in pieces:
                data = b.take(stored)
                record += inflate(data, raw) if deflated else data
            b.end()
            if len(record) != length:
                raise Damaged("a block has the wrong length")
            return [record]
        if method not in (0, 1):
            raise Damaged("a block is stored in an unknown way")
        content = inflate(block[1:], length) if method == 1 else block[1:]
        if len(content) != length:
            raise Damaged("a block has the wrong length")
        b, out = Bytes(content), []
        while b.at < len(content):
            out.append(b.take(b.number()))
        return out

    @staticmethod
    def record(data):
        b = Bytes(data)
        if b.byte() != 1:
            raise Damaged("a record of an unknown format")
        ecosystem, source, name = b.byte(), b.text(), b.text()
        key = bytes([ecosystem]) + source.encode() + b"\0" + name.encode()
        r = {"ecosystem": ECOSYSTEMS[ecosystem], "source": source, "name": name}
        r["complete"], r["checked"], r["etag"], r["modified"] = b.byte() == 1, b.number(), b.text(), b.number()
        r["tags"] = dict(b.pairs())
        packs = [b.take(32) for _ in range(b.number())]
        versions = []
        for _ in range(b.number()):
            v = {"version": b.text()}
            flags = b.byte()
            v["location"] = ("absent", "pack", "blob")[flags & 3]
            v["is_deprecated"] = bool(flags & 4)
            if v["location"] == "pack":
                v["pack"], v["offset"] = packs[b.number()], b.number()
            v["as_of"] = b.number() if flags & 8 else r["modified"]
            v["published"] = b.number()
            versions.append((v, b.number()))
        for v, length in versions:
            Mirror.body(Bytes(b.take(length)), v)
        b.end()
        r["versions"] = [v for v, _ in versions]
        return key, r

    @staticmethod
    def body(b, v):
        algorithm = b.byte()
        if algorithm:
            name, size = INTEGRITIES[algorithm]
            v["integrity"] = name + "-" + base64.b64encode(b.take(size)).decode()
        flags = b.byte()
        v["sha256"] = b.take(32) if flags & 1 else None
        v["size"], v["unpacked"] = b.number(), b.number()
        v["tarball"] = b.text() if flags & 2 else None
        v["install_script"] = bool(flags & 4)
        v["deprecated"] = b.text() if flags & 8 else None
        v["dependencies"] = []
        for _ in range(b.number()):
            kind = b.byte()
            name, wanted = b.text(), b.text()
            condition = b.text() if kind & 8 else ""
            v["dependencies"].append((KINDS[kind & 7], name, wanted, condition))
        v["bins"], v["engines"], v["extra"] = b.pairs(), b.pairs(), b.pairs()
        v["bundled"], v["os"], v["cpu"], v["libc"] = b.texts(), b.texts(), b.texts(), b.texts()
        b.end()

    # Archives

    def blobs(self):
        """hash -> (length, [(part's hash, length)])"""
        if not self.blob_list:
            return {}
        digest, length, count = self.blob_list
        out = {}
        for line in self.file("SNP", digest, length).decode().splitlines():
            f = line.split(" ")
            files = [(bytes.fromhex(h), int(n)) for h, n in zip(f[::2], f[1::2])]
            out[files[0][0]] = (files[0][1], files[1:] or files)
        if len(out) != count:
            raise Damaged("the blob list has another length")
        return out

    def archive(self, v, blobs):
        if v["location"] == "pack":
            pack = self.file("PAK", v["pack"], self.packs[v["pack"]])
            data = pack[v["offset"] : v["offset"] + v["size"]]
        else:
            length, parts = blobs[v["sha256"]]
            data = b"".join(self.file("BLB", h, n) for h, n in parts)
            if len(data) != length:
                raise Damaged("a blob has another length")
        if len(data) != v["size"] or sha256(data) != v["sha256"]:
            raise Damaged("an archive does not match its hash")
        if "integrity" in v:
            name, expected = v["integrity"].split("-", 1)
            if base64.b64encode(hashlib.new(name, data).digest()).decode() != expected:
                raise Damaged("an archive does not match its integrity")
        return data

    def check(self):
        """Every byte of the chosen state; a list of what is wrong."""
        wrong = list(self.broken)

        def attempt(what, f):
            try:
                return f()
            except (Damaged, OSError, ValueError, KeyError, IndexError, zlib.error) as e:
                wrong.append(f"{what}: {e}")

        for folder, digest, length in self.others:
            attempt(folder, lambda: self.file(folder, digest, length))
        for digest, length in self.packs.items():
            attempt("pack", lambda: self.check_pack(self.file("PAK", digest, length)))
        blobs = attempt("blob list", self.blobs) or {}
        for _, parts in blobs.values():
            for digest, length in parts:
                attempt("blob", lambda: self.file("BLB", digest, length))
        records = attempt("index", self.records) or {}
        for r in records.values():
            for v in r["versions"]:
                if v["location"] != "absent":
                    attempt(f"{r['name']}@{v['version']}", lambda: self.archive(v, blobs))
        return wrong

    @staticmethod
    def check_pack(data):
        if data[:8] != b"MIRPAK1\n" or data[-8:] != b"MIRPKI1\n":
            raise Damaged("its first or last bytes are wrong")
        b = Bytes(data[int.from_bytes(data[-16:-8], "little") : -16])
        for _ in range(b.number()):
            digest, at, length = b.take(32), b.number(), b.number()
            if sha256(data[at : at + length]) != digest:
                raise Damaged("an archive does not match the index")
        b.end()


def main(arguments):
    if len(arguments) < 2 or arguments[0] not in ("list", "extract", "verify"):
        print(__doc__, file=sys.stderr)
        return 2
    mirror = Mirror(arguments[1])
    if arguments[0] == "verify":
        wrong = mirror.check()
        for w in wrong:
            print(w)
        return 1 if wrong else 0
    blobs = mirror.blobs() if arguments[0] == "extract" else {}
    for r in mirror.records().values():
        for v in r["versions"]:
            if arguments[0] == "list":
                print(r["ecosystem"], r["source"], r["name"], v["version"], v["location"])
            elif v["location"] != "absent":
                os.makedirs(arguments[2], exist_ok=True)
                with open(os.path.join(arguments[2], v["sha256"].hex() + ".tgz"), "wb") as f:
                    f.write(mirror.archive(v, blobs))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Damaged as e:
        print(f"damaged: {e}", file=sys.stderr)
        sys.exit(1)
