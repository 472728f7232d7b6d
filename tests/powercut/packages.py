"""Packages for the power cuts: small npm archives, the same for the same seed, with what a registry says about them."""

import base64
import gzip
import hashlib
import io
import json
import random
import tarfile

BLOB = 260_000  # from 256 KiB on an archive is a file of its own in a mirror


def archive(name, version, files, manifest=None):
    """A .tgz as `npm pack` makes it. `files`: path → bytes."""
    out = io.BytesIO()
    text = json.dumps({"name": name, "version": version, **(manifest or {})}).encode()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in {"package.json": text, **files}.items():
            info = tarfile.TarInfo("package/" + path)
            info.size, info.mode = len(content), 0o644
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(out.getvalue(), 1, mtime=0)


def file_name(name, version):
    return f"{name}-{version}.tgz"


class Shelf:
    """Archives in a folder, and the packument of each name beside them (for the guest's loopback registry)."""

    def __init__(self, directory):
        self.directory = directory
        self.known = {}
        directory.mkdir(parents=True)

    def put(self, name, version, files, **manifest):
        data = archive(name, version, files, manifest)
        (self.directory / file_name(name, version)).write_bytes(data)
        dist = {
            "tarball": f"http://127.0.0.1:8080/-/{file_name(name, version)}",
            "integrity": "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode(),
            "shasum": hashlib.sha1(data).hexdigest(),
        }
        self.known.setdefault(name, {})[version] = {"name": name, "version": version, "dist": dist, **manifest}
        return f"{name}@{version}"

    def close(self):
        for name, versions in self.known.items():
            text = json.dumps({"name": name, "dist-tags": {"latest": max(versions)}, "versions": versions})
            (self.directory / f"{name}.json").write_text(text)


def noise(random_source, low, high):
    """Half of it compresses, as code does."""
    size = random_source.randint(low, high)
    return random_source.randbytes(size // 2) + b"// the same words again\n" * (size // 48)


def for_add(directory):
    """Names for `mirror add`: small ones for packs, some blobs, and a set large enough for one `syncfs`."""
    source, shelf = random.Random(1), Shelf(directory)
    small = [shelf.put(f"p{i}", "1.0.0", {"index.js": noise(source, 300, 24_000)}) for i in range(260)]
    blobs = [shelf.put(f"b{i}", "1.0.0", {"index.bin": source.randbytes(BLOB + 997 * i)}) for i in range(24)]
    bulk = [shelf.put(f"s{i}", "1.0.0", {"index.bin": source.randbytes(BLOB + 13 * i)}) for i in range(17)]
    shelf.close()
    return {"small": small, "blobs": blobs, "bulk": bulk}


def for_pull(directory):
    """Applications, each with libraries: a pull takes the closure. Application → what it needs, itself included."""
    source, shelf = random.Random(2), Shelf(directory)
    libraries = [f"lib{i}" for i in range(60)]
    for i, name in enumerate(libraries):
        content = source.randbytes(BLOB + i) if i % 15 == 7 else noise(source, 300, 20_000)
        shelf.put(name, "1.0.0", {"index.js": content})
    needs = {}
    for i in range(120):
        of = source.sample(libraries, source.randint(1, 4))
        app = shelf.put(f"app{i}", "1.0.0", {"index.js": noise(source, 300, 9_000)}, dependencies={n: "^1.0.0" for n in of})
        needs[app] = [app] + [f"{n}@1.0.0" for n in of]
    shelf.close()
    return needs


def for_install(directory):
    """Manifests of one project, as it changes over time, over packages in two versions with some dozen files each."""
    source, shelf = random.Random(3), Shelf(directory)
    names = [f"part{i}" for i in range(12)]
    for i, name in enumerate(names):
        for version in ("1.0.0", "2.0.0"):
            files = {f"lib/{j % 3}/f{j}.js": noise(source, 0 if j == 3 else 40, 6_000) for j in range(source.randint(6, 24))}
            files["cli.js"] = b"#!/usr/bin/env node\nconsole.log('" + name.encode() + b"')\n"
            below = {names[i + 1]: f"^{version}"} if i % 3 == 0 else {}
            bins = {f"run-{name}": "cli.js"} if i % 2 == 0 else {}
            shelf.put(name, version, files, dependencies=below, bin=bins)
    shelf.close()
    manifests = []
    for k in range(4):
        pick = random.Random(30 + k)
        chosen = pick.sample(names, 7)
        asked = {n: "^1.0.0" if pick.random() < 0.5 else "^2.0.0" for n in chosen}
        manifests.append({
            "name": "project", "version": "1.0.0", "private": True,
            "dependencies": dict(sorted(asked.items())[:5]), "devDependencies": dict(sorted(asked.items())[5:]),
        })
    return manifests
