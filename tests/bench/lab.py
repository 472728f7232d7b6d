"""Where runs happen: the loopback registry, one directory per entrant with its own HOME, and the measured run itself."""
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request

BENCH = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(BENCH))


class Failed(Exception):
    """A command did not do what the case needs; the text is what it said."""


class Lab:
    """The directories and settings of one session, from the environment that run.sh made."""

    def __init__(self):
        self.root = os.environ['LAB']
        self.work = os.environ['WORK']
        self.port = int(os.environ['PORT'])
        dist = f'{REPOSITORY}/target/dist'
        made = [name for name in os.listdir(dist) if not name.endswith('.sha256')] if os.path.isdir(dist) else []
        self.static = f'{dist}/{made[0]}' if made else ''
        self.latency = int(os.environ.get('LATENCY') or 0)
        self.pantry = os.environ.get('PANTRY') or ''
        self.url = f'http://127.0.0.1:{self.port}/'
        self.corpus = f'{self.root}/corpus'
        self.binaries = f'{self.root}/node_modules/.bin'

    def program(self, name):
        return f'{self.root}/bin/{name}'

    def launch(self, command, report, **settings):
        """Runs `command` through the launcher; seconds, MiB and the exit status."""
        subprocess.run([self.program('launch'), report, *command], stdin=subprocess.DEVNULL, check=True, **settings)
        with open(report) as file:
            used = json.load(file)
        return {'wall': used['wall'], 'user': used['user'], 'sys': used['sys'], 'rss': used['rss'] / 1024, 'rc': used['rc']}


class Registry:
    """The loopback registry as a child process, and its counters."""

    def __init__(self, lab):
        self.lab = lab
        self.misses = f'{lab.root}/reports/misses.txt'
        remove(self.misses)
        self.process = subprocess.Popen(
            [lab.program('registry'), lab.corpus, str(lab.port), str(lab.latency), self.misses],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        ready = self.process.stdout.readline()
        if not ready.startswith('ready'):
            raise Failed(f'the loopback registry did not start on port {lab.port} (PORT takes another): {self.process.stderr.read().strip()}')
        note(ready.strip())

    def counters(self):
        """The counts since the last call."""
        with urllib.request.urlopen(self.lab.url + '-/stats') as answer:
            return json.load(answer)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Place:
    """One entrant's home and project. What prepares a run is outside the clock."""

    def __init__(self, lab, registry, entrant, project):
        self.lab, self.registry, self.entrant, self.project = lab, registry, entrant, project
        self.name = entrant.name
        self.root = f'{lab.work}/{project}/{entrant.name}'
        self.home, self.dir, self.kept = f'{self.root}/home', f'{self.root}/project', f'{self.root}/kept'
        self.primed = 0.0
        remove(self.root)
        os.makedirs(self.kept)
        self.empty_home()
        self.write_project()

    def write_project(self):
        remove(self.dir)
        shutil.copytree(f'{self.lab.root}/projects/{self.project}', self.dir)
        for name, text in self.entrant.settings.items():
            with open(f'{self.dir}/{name}', 'a') as file:
                file.write(text)

    def empty_home(self):
        self.primed = 0.0
        remove(self.home)
        os.makedirs(self.home)
        with open(f'{self.home}/.npmrc', 'w') as file:
            file.write(f'registry={self.lab.url}\n')

    def empty_modules(self):
        for parent in self.packages():
            remove(f'{parent}/node_modules')
        remove(f'{self.dir}/.pantry')

    def drop_lock(self):
        remove(f'{self.dir}/{self.entrant.lock}')

    def packages(self):
        """The project's directory and, in a workspace, those of its packages."""
        inner = f'{self.dir}/packages'
        return [self.dir] + ([f'{inner}/{name}' for name in sorted(os.listdir(inner))] if os.path.isdir(inner) else [])

    def prime(self, within=240):
        """Caches warm, lock written, modules installed. Caches older than `within` seconds are filled anew: some managers
        take a packument as fresh for five minutes, and a case must not cross that line half-way."""
        if time.monotonic() - self.primed > within or not self.primed:
            self.write_project()
            self.empty_home()
            self.must('install')
            if not os.path.exists(f'{self.dir}/{self.entrant.lock}'):
                raise Failed(f'install: exit 0, but there is no {self.entrant.lock}')
            shutil.copy(f'{self.dir}/package.json', self.kept)
            shutil.copy(f'{self.dir}/{self.entrant.lock}', self.kept)
            self.primed = time.monotonic()
        else:
            self.restore()
            self.must('install')

    def restore(self):
        """Manifest and lock as they were after prime()."""
        for name in ('package.json', self.entrant.lock):
            shutil.copy(f'{self.kept}/{name}', self.dir)

    def fill(self, text):
        return text.replace('{root}', self.root).replace('{home}', self.home)

    def run(self, command):
        """One measured run: times, memory, status, and what it asked of the registry."""
        if command not in self.entrant.commands:
            raise Failed(f'{self.name} has no command for {command}')
        words = [self.fill(word) for word in self.entrant.commands[command]]
        home = self.home
        environment = {
            'PATH': os.environ['PATH'], 'LANG': 'C.UTF-8', 'TERM': 'dumb', 'HOME': home,
            'XDG_CACHE_HOME': f'{home}/.cache', 'XDG_DATA_HOME': f'{home}/.local/share',
            'XDG_CONFIG_HOME': f'{home}/.config', 'XDG_STATE_HOME': f'{home}/.local/state',
            **{key: self.fill(value) for key, value in self.entrant.env.items()}}
        self.registry.counters()
        with open(f'{self.root}/log', 'wb') as log:
            used = self.lab.launch(words, f'{self.root}/used', cwd=self.dir, env=environment, stdout=log, stderr=log)
        return {**used, 'net': self.registry.counters()}

    def must(self, command):
        used = self.run(command)
        if used['rc'] != 0:
            raise Failed(f'{command}: exit {used["rc"]}: {self.said()}')
        return used

    def said(self):
        with open(f'{self.root}/log', errors='replace') as file:
            lines = [line.strip() for line in file if line.strip()]
        return next((line for line in lines if 'error' in line.lower()), lines[-1] if lines else '(no output)')[:200]

    def works(self):
        """What was installed can be used: every direct dependency is there, and the app's are imported by node."""
        script = f'{BENCH}/works.mjs'
        with open(script) as file:
            found = subprocess.run(['node', '--input-type=module', '-', self.project], cwd=self.dir, stdin=file,
                                   capture_output=True, text=True)
        if found.returncode != 0:
            lines = [line for line in found.stderr.splitlines() if line.startswith('Error')]
            raise Failed(f'exit 0, but what it installed does not work: {(lines or ["?"])[0][:200]}')

    def written(self):
        """Bytes of files below project and home, each inode once."""
        seen = {}
        for top in (self.dir, self.home):
            for parent, _, files in os.walk(top):
                for name in files:
                    facts = os.lstat(f'{parent}/{name}')
                    seen[facts.st_ino] = facts.st_size
        return sum(seen.values())


class Floor:
    """The bare work of a case by floor.c, as one more entrant: same rounds, same launcher, two threads."""

    name = 'floor'

    def __init__(self, lab, project):
        self.lab, self.root = lab, f'{lab.work}/{project}/floor'
        self.archives, self.packuments = f'{lab.corpus}/{project}.tgz', f'{lab.corpus}/{project}.meta'
        self.source = f'{self.root}/source'
        remove(self.root)
        os.makedirs(self.root)

    def steps(self, work):
        floor, out = self.lab.program('floor'), f'{self.root}/out'
        extract = [floor, 'extract', '2', out, self.archives]
        return {
            'fresh': [[floor, 'inflate', '2', self.packuments], [floor, 'sha512', '2', self.archives], extract],
            'extract': [extract],
            'link': [[floor, 'link', '2', self.source, out]],
            'symlink': [[floor, 'symlink', '13', out]],
            'start': [[self.lab.program('empty')]],
        }[work]

    def available(self, work):
        return all(os.path.exists(step[0]) for step in self.steps(work))

    def run(self, work):
        remove(f'{self.root}/out')
        if work == 'link' and not os.path.exists(self.source):
            subprocess.run([self.lab.program('floor'), 'extract', '2', self.source, self.archives], check=True, stdout=subprocess.DEVNULL)
        total = {'wall': 0.0, 'user': 0.0, 'sys': 0.0, 'rss': 0.0, 'rc': 0, 'net': {}}
        for step in self.steps(work):
            used = self.lab.launch(step, f'{self.root}/used', stdout=subprocess.DEVNULL)
            for key in ('wall', 'user', 'sys'):
                total[key] += used[key]
            total['rss'] = max(total['rss'], used['rss'])
            total['rc'] = total['rc'] or used['rc']
        return total


def remove(path):
    """As `rm -rf`, which is several times faster than Python at it."""
    if os.path.lexists(path):
        subprocess.run(['rm', '-rf', path], check=True)


def note(text):
    print(f'bench: {text}', file=sys.stderr, flush=True)
