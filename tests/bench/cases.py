"""The cases: from which state each starts, what runs under the clock, who takes part, what must be true afterwards."""
import os
import statistics
from dataclasses import dataclass, field

from lab import Failed, Floor, Place, note


@dataclass
class Case:
    name: str
    project: str
    entrants: str                   # in the order of the first round
    command: str = 'install'
    own: dict = field(default_factory=dict)     # entrant -> its command where it is another one
    clear: tuple = ()               # of home, modules, lock: removed before every run
    primed: bool = True             # starts from warm caches, a lock and installed modules
    floor: str = ''                 # the bare work, see lab.Floor
    factor: int = 1                 # rounds = RUNS x factor: the shorter the work, the more often


NOT_BUILT = 'is not in this version'     # how pantry words it
HOISTED = 'pantry bun pnpm npm'
CASES = {case.name: case for case in [
    Case('fresh', 'app', HOISTED, clear=('home', 'modules', 'lock'), primed=False, floor='fresh'),
    Case('cached', 'app', 'pantry bun pantry-store bun-store pnpm pnpm-store npm', clear=('modules', 'lock'), floor='link'),
    Case('frozen', 'app', 'pantry bun pantry-isolated bun-isolated pantry-store bun-store pnpm pnpm-store npm', 'frozen',
         clear=('modules',), floor='link', factor=2),
    Case('offline', 'app', 'pantry bun pantry-online pnpm', 'frozen', own={'pantry': 'mirror'}, clear=('home', 'modules'),
         floor='extract'),
    Case('noop', 'app', 'pantry bun pantry-store bun-store pnpm npm', floor='start', factor=3),
    Case('add', 'app', 'pantry bun pantry-store bun-store pnpm npm', 'add', factor=2),
    Case('remove', 'app', 'pantry bun pantry-store bun-store pnpm npm', 'remove', factor=2),
    Case('update', 'app', HOISTED, 'update'),
    Case('workspace-fresh', 'mono', HOISTED, clear=('home', 'modules', 'lock'), primed=False, floor='fresh'),
    Case('workspace-frozen', 'mono', 'pantry bun pantry-store bun-store pnpm pnpm-store npm', 'frozen', clear=('modules',), floor='link'),
    Case('workspace-noop', 'mono', 'pantry bun pantry-store bun-store pnpm npm', floor='start', factor=2),
    Case('start', 'app', 'pantry pantry-static bun pnpm npm', 'version', primed=False, floor='start', factor=5),
]}


class Session:
    """Runs cases and keeps each entrant's place, so that what is warm stays warm from case to case."""

    def __init__(self, lab, registry, entrants, runs):
        self.lab, self.registry, self.entrants, self.runs = lab, registry, entrants, runs
        self.places, self.floors = {}, {}

    def place(self, name, project):
        key = (name, project)
        if key not in self.places:
            self.places[key] = Place(self.lab, self.registry, self.entrants[name], project)
        return self.places[key]

    def run(self, case):
        """Entrant -> {status, runs} or {status, why}; managers take turns inside every round, another one first each time."""
        result, taking_part = {}, []
        for name in case.entrants.split():
            if name not in self.entrants:
                continue
            try:
                place = self.place(name, case.project)
                self.start(case, place)
                taking_part.append(place)
                result[name] = {'status': 'ok', 'runs': []}
            except (Failed, OSError) as error:
                result[name] = refused(error)
                note(f'{case.name}: {name}: {result[name]["status"]}: {result[name]["why"]}')
        rounds = self.runs * case.factor
        for turn in range(rounds):
            shift = turn % max(len(taking_part), 1)
            for place in taking_part[shift:] + taking_part[:shift]:
                mine = result[place.name]
                if mine['status'] != 'ok' or (place.entrant.slow and turn >= 2):
                    continue
                try:
                    mine['runs'].append(self.once(case, place, last=turn == rounds - 1))
                except Failed as error:
                    mine.update(refused(error))
                    note(f'{case.name}: {place.name}: {mine["status"]}: {mine["why"]}')
            self.floor(case, result)
        return result

    def start(self, case, place):
        """Brings a place to the state the case starts from, and lets it run once outside the count."""
        command = case.own.get(place.name, case.command)
        if case.primed:
            place.prime()
        if command == 'mirror' and not os.path.exists(f'{place.root}/mirror'):
            place.must('init')
            place.must('pull')
        if command == 'remove':
            place.must('add')
        if not case.clear or case.command == 'frozen':
            self.once(case, place, last=True)

    def once(self, case, place, last):
        command = case.own.get(place.name, case.command)
        for what in case.clear:
            {'home': place.empty_home, 'modules': place.empty_modules, 'lock': place.drop_lock}[what]()
        used = place.must(command)
        self.check(case, place, command, used, last)
        return used

    def check(self, case, place, command, used, last):
        """A fast answer that did not do the work is not an answer."""
        if command == 'version':
            if not any(letter.isdigit() for letter in place.said()):
                raise Failed(f'prints no version: {place.said()}')
            return
        if command in ('add', 'remove'):
            there = os.path.exists(f'{place.dir}/node_modules/lodash/package.json')
            with open(f'{place.dir}/package.json') as file:
                declared = '"lodash"' in file.read()
            if (there, declared) != (command == 'add',) * 2:
                raise Failed(f'{command}: exit 0, but lodash is {"" if there else "not "}installed, {"" if declared else "not "}declared')
            place.must({'add': 'remove', 'remove': 'add'}[command])
        if command == 'mirror' and (used['net']['requests'] or used['net']['connections']):
            raise Failed(f'offline, yet {used["net"]["connections"]} connections were made')
        if not os.path.exists(f'{place.dir}/{place.entrant.lock}'):
            raise Failed(f'exit 0, but there is no {place.entrant.lock}')
        if case.name == 'fresh':
            used['written'] = place.written()
        if last:
            place.works()
        if command == 'update':
            place.restore()

    def floor(self, case, result):
        if not case.floor:
            return
        if case.project not in self.floors:
            self.floors[case.project] = Floor(self.lab, case.project)
        floor = self.floors[case.project]
        if floor.available(case.floor):
            result.setdefault('floor', {'status': 'ok', 'runs': []})['runs'].append(floor.run(case.floor))
        if case.floor == 'link' and floor.available('symlink'):
            result.setdefault('floor-store', {'status': 'ok', 'runs': []})['runs'].append(floor.run('symlink'))


def refused(error):
    """A command that says it is not built yet is listed as that, anything else as a failure."""
    text = str(error)
    return {'status': 'not built yet' if NOT_BUILT in text else 'failed', 'why': text, 'runs': []}


def summary(runs):
    """Medians, the least wall time, and the last run's requests."""
    middle = lambda pick: statistics.median(pick(run) for run in runs)
    cpu = lambda run: run['user'] + run['sys']
    out = {
        'n': len(runs),
        'wall_ms': middle(lambda run: run['wall']) * 1e3, 'wall_min_ms': min(run['wall'] for run in runs) * 1e3,
        'cpu_ms': middle(cpu) * 1e3, 'user_ms': middle(lambda run: run['user']) * 1e3, 'sys_ms': middle(lambda run: run['sys']) * 1e3,
        'cpu_percent': middle(lambda run: 100 * cpu(run) / run['wall']),
        'rss_mib': middle(lambda run: run['rss']), 'rss_max_mib': max(run['rss'] for run in runs),
        'requests': runs[-1]['net'].get('requests'), 'unmodified': runs[-1]['net'].get('unmodified'),
        'misses': runs[-1]['net'].get('misses'), 'received_mb': runs[-1]['net'].get('bytes', 0) / 1e6,
    }
    if 'written' in runs[-1]:
        out['disk_mb_s'] = runs[-1]['written'] / 1e6 / (out['wall_ms'] / 1e3)
    return out
