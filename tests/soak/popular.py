#!/usr/bin/env python3
"""`make soak`: real packages that the archive reader must not refuse.

The list is the registry's own: the newest versions of what `npm search` finds for some everyday words, the most popular
first, 2,000 in all, fetched with `npm cache add` into a cache outside of the repository; what that has is not fetched
again. Where the registry answers no searches (that is said), and for PACKAGE… by name, `npm install` (no scripts, eight
connections) fetches some well-known packages with all that they depend on instead. Every archive of the cache then goes
through `pantry mirror add --dry-run`. A refusal that `reviewed.tsv` does not explain fails this, and so does a cache that
holds too few archives to say anything.

    popular.py PANTRY [PACKAGE…]        PANTRY_SOAK_CACHE: where the cache lies, instead of ~/.cache/pantry-soak
"""

import base64, concurrent.futures, json, os, shutil, subprocess, sys, tempfile

WORDS = """react vue angular webpack babel eslint typescript node cli http server stream file path parse json css html test
           util async promise date string array object date color image database sql aws plugin types logger""".split()
MOST = 2000

HERE = os.path.dirname(os.path.abspath(__file__))
# Tools with long and different lists of dependencies: front ends, builders, servers, clients, test runners.
ROOTS = """ember-cli gatsby expo firebase-tools nuxt @angular/cli jest eslint webpack-cli lerna parcel mocha gulp
           storybook express""".split()
LEAST = 1000


def fetch(cache, name):
    with tempfile.TemporaryDirectory(prefix="pantry-soak-") as folder:
        with open(os.path.join(folder, "package.json"), "w") as f:
            f.write('{"name": "soak", "private": true}')
        command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps"]
        command += ["--loglevel=error", "--maxsockets=8", "--prefer-offline", "--cache", cache, name]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            print("could not be fetched whole: %s: %s" % (name, (done.stderr.strip().splitlines() or ["?"])[0]))


def searched():
    """NAME@VERSION of what the registry's search finds, in turn from each word's list; none where it has no search."""
    lists = []
    for word in dict.fromkeys(WORDS):
        command = ["npm", "search", "--json", "--searchlimit=200", "--loglevel=error", word]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            found = json.loads(done.stdout)
        except ValueError:
            found = None
        if done.returncode or not isinstance(found, list):
            why = (done.stderr.strip().splitlines() or ["status %d" % done.returncode])[0]
            print("soak/popular: the registry answers no search (%s)" % why)
            return []
        lists.append(["%s@%s" % (p["name"], p["version"]) for p in found])
    longest = max(map(len, lists))
    return list(dict.fromkeys(one[i] for i in range(longest) for one in lists if i < len(one)))[:MOST]


def fetch_alone(cache, specs):
    for at in range(0, len(specs), 50):
        command = ["npm", "cache", "add", "--loglevel=error", "--maxsockets=8", "--prefer-offline", "--cache", cache]
        done = subprocess.run(command + specs[at : at + 50], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            print("could not be fetched whole: %s" % (done.stderr.strip().splitlines() or ["?"])[0])


def archives(cache):
    """NAME-VERSION and file of every archive that npm's cache holds (its index says which file is what)."""
    found = {}
    for folder, _, names in os.walk(os.path.join(cache, "_cacache", "index-v5")):
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as f:
                for line in f:
                    try:
                        entry = json.loads(line.split("\t", 1)[1])
                        kind, digest = entry["integrity"].split()[0].split("-", 1)
                    except (IndexError, KeyError, ValueError, AttributeError):
                        continue
                    digest = base64.b64decode(digest).hex()
                    path = os.path.join(cache, "_cacache", "content-v2", kind, digest[:2], digest[2:4], digest[4:])
                    before, _, base = entry["key"].rpartition("/-/")
                    if base.endswith(".tgz") and os.path.exists(path):
                        scope = [p for p in before.replace("%2f", "/").split("/") if p.startswith("@")]
                        found[path] = "/".join(scope[-1:] + [base[: -len(".tgz")]])
    return found


def main(pantry, roots):
    if not shutil.which("npm"):
        sys.exit("soak/popular: no npm here; nothing was checked")
    home = os.environ.get("PANTRY_SOAK_CACHE") or os.path.expanduser("~/.cache/pantry-soak")
    cache = os.path.join(home, "npm")
    os.makedirs(cache, exist_ok=True)
    listed = [] if roots else searched()
    fetch_alone(cache, listed)
    for name in roots or ([] if listed else ROOTS):
        fetch(cache, name)
    found = archives(cache)
    total = sum(os.path.getsize(path) for path in found)
    print("soak/popular: %d archives, %d MB, in %s" % (len(found), total >> 20, cache))
    with open(os.path.join(HERE, "reviewed.tsv"), encoding="utf-8") as f:
        reviewed = dict(line.split("\t", 1) for line in f if not line.startswith("#"))
    scratch = tempfile.mkdtemp(prefix="pantry-soak-")
    environment = {"PATH": os.environ["PATH"], "HOME": scratch, "PANTRY_HOME": os.path.join(scratch, "pantry")}

    def run(*words):
        return subprocess.run([pantry, *words], env=environment, capture_output=True, text=True)

    def check(path):
        return path, run("mirror", "add", "--dry-run", "--mirror", mirror, path)

    unexplained = refused = 0
    try:
        mirror = os.path.join(scratch, "mirror")
        made = run("mirror", "init", mirror)
        if made.returncode:
            sys.exit("soak/popular: " + made.stderr)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for path, done in pool.map(check, sorted(found, key=found.get)):
                if done.returncode == 0:
                    continue
                refused += 1
                reason = (done.stderr.splitlines() or ["status %d" % done.returncode])[0].replace(path, "")
                why = reviewed.get(found[path])
                unexplained += why is None
                print("REFUSED %s: %s%s" % (found[path], reason, "" if why is None else " [reviewed: %s]" % why.strip()))
    finally:
        shutil.rmtree(scratch)
    print("soak/popular: %d read, %d refused, %d of these not reviewed" % (len(found), refused, unexplained))
    if len(found) < LEAST:
        print("soak/popular: fewer than %d archives: that shows nothing" % LEAST)
    return 1 if unexplained or len(found) < LEAST else 0


sys.exit(main(os.path.abspath(sys.argv[1]), sys.argv[2:]))
