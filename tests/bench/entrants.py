"""The package managers that are compared: how each is called, what it calls its lockfile, how it is kept from running scripts.

An entrant is one manager in one mode. Peers that are not installed in the lab are left out (lab.sh installs them).
"""
from dataclasses import dataclass, field


@dataclass
class Entrant:
    name: str
    lock: str
    commands: dict                                  # install frozen add remove update version (pantry also: mirror, pull)
    env: dict = field(default_factory=dict)         # beside HOME and the XDG directories
    settings: dict = field(default_factory=dict)    # project file -> text appended to it
    slow: bool = False                              # seconds a run: two rounds are enough to rank it


def pantry(name, program, linker=None):
    """`linker` None is the default one, hoisted, without a flag: what a user gets."""
    flags = ['--linker', linker] if linker else []
    call = lambda *words: [program, *words, *flags]
    return Entrant(name, 'pantry.lock', {
        'install': call('install'),
        'frozen': call('install', '--frozen-lockfile'),
        'mirror': call('install', '--offline', '--frozen-lockfile', '--mirror', '{root}/mirror'),
        'pull': [program, 'mirror', 'pull', '--from', 'package.json', '--mirror', '{root}/mirror'],
        'init': [program, 'mirror', 'init', '{root}/mirror'],
        'add': call('add', 'lodash'),
        'remove': call('remove', 'lodash'),
        'update': call('update'),
        'version': [program, '--version'],
    }, env={'PANTRY_HOME': '{home}/.pantry'})


def bun(name, program, linker, global_store=False):
    call = lambda *words: [program, *words, '--ignore-scripts', '--no-progress', '--linker', linker]
    return Entrant(name, 'bun.lock', {
        'install': call('install'),
        'frozen': call('install', '--frozen-lockfile'),
        'add': call('add', 'lodash'),
        'remove': call('remove', 'lodash'),
        'update': call('update'),
        'version': [program, '--version'],
    }, env={'BUN_INSTALL_GLOBAL_STORE': '1' if global_store else '0'})


def pnpm(name, program, global_store=False):
    # No waiting period for young versions: the corpus may be younger than it.
    settings = f'minimumReleaseAge: 0\nlinkWorkspacePackages: true\nenableGlobalVirtualStore: {str(global_store).lower()}\n'
    call = lambda *words: [program, *words, '--ignore-scripts']
    return Entrant(name, 'pnpm-lock.yaml', {
        'install': call('install', '--no-frozen-lockfile'),
        'frozen': call('install', '--frozen-lockfile'),
        'add': call('add', 'lodash'),
        'remove': [program, 'remove', 'lodash', '--config.ignoreScripts=true'],
        'update': call('update'),
        'version': [program, '--version'],
    }, settings={'pnpm-workspace.yaml': settings})


def npm(name, program):
    flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', '--no-progress', '--no-update-notifier']
    call = lambda *words: [program, *words, *flags]
    return Entrant(name, 'package-lock.json', {
        'install': call('install'),
        'frozen': call('ci'),
        'add': call('install', 'lodash'),
        'remove': call('uninstall', 'lodash'),
        'update': call('update'),
        'version': [program, '--version'],
    }, slow=True)


def entrants(binaries, pantry_program, static, peers):
    """Name -> Entrant; `binaries` is the peers' .bin directory, `static` what `make dist` made (or empty), `peers` the names asked for."""
    known = [
        pantry('pantry', pantry_program),
        pantry('pantry-isolated', pantry_program, 'isolated'),
        pantry('pantry-store', pantry_program, 'store'),
        pantry('pantry-online', pantry_program),    # the offline case's other way: same lock, from the registry
    ]
    if static:
        known += [pantry('pantry-static', static)]
    if 'bun' in peers:
        program = f'{binaries}/bun'
        known += [bun('bun', program, 'hoisted'), bun('bun-isolated', program, 'isolated'), bun('bun-store', program, 'isolated', True)]
    if 'pnpm' in peers:
        known += [pnpm('pnpm', f'{binaries}/pnpm'), pnpm('pnpm-store', f'{binaries}/pnpm', True)]
    if 'npm' in peers:
        known += [npm('npm', f'{binaries}/npm')]
    return {entrant.name: entrant for entrant in known}
