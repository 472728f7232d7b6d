// `make apps`: real tools, installed by pantry in each linker, and started on a tiny project. What must come out is looked at;
// beside it stands whether the same works in npm's tree (hoisted) and in pnpm's (isolated, and with its global virtual store).
//
//   node tests/apps/run.mjs [NAME…]        only some of projects/
//
// A page of projects/ is a tool: what it needs, its tiny project, the command and what it must leave (see README's words in
// `page`). What fails in one of our trees and works in the peer's like one fails this, unless `reviewed.tsv` says why; so does
// a package for another platform in a tree.
//
// PANTRY_APPS: where the frozen registry, the peers and what is known of them lie, instead of ~/.cache/pantry-apps (several GB).
// PANTRY_APPS_FROZEN=1: nothing is fetched. PANTRY: a built binary. PANTRY_APPS_WORK: where the trees are made.
// Needs npm; tools run with the network cut off where `unshare` allows it, at most five minutes and 6 GB each.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { dirname, join, resolve as absolute } from 'node:path'
import { fileURLToPath } from 'node:url'
import { start } from '../conformance/registry.mjs'
const here = dirname(fileURLToPath(import.meta.url))
const folder = process.env.PANTRY_APPS || join(homedir(), '.cache/pantry-apps')
const frozen = process.env.PANTRY_APPS_FROZEN === '1'
const pantry = absolute(process.env.PANTRY || 'target/release/pantry')
const SECONDS = 300
const KIBIBYTES = 6 << 20
const QUIET = ['--no-audit', '--no-fund', '--loglevel=error']

/** A page: comment lines, `run COMMAND` (several: one after the other), `check FILE [TEXT]`, `trust NAME…` (its scripts must
 *  run), `env NAME=VALUE`, then the project's files, each behind `-- NAME --`. */
function page (name) {
  const text = readFileSync(join(here, 'projects', `${name}.txt`), 'utf8')
  const [head, ...parts] = text.split(/^-- (.+) --\n/m)
  const app = { name, run: [], check: [], trust: [], env: {}, files: [], text }
  for (let i = 0; i < parts.length; i += 2) app.files.push([parts[i], parts[i + 1]])
  for (const line of head.split('\n').filter(l => l && !l.startsWith('#'))) {
    const [word, rest] = [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1).trim()]
    if (word === 'run') app.run.push(rest)
    else if (word === 'trust') app.trust.push(...rest.split(' '))
    else if (word === 'env') app.env[rest.split('=')[0]] = rest.slice(rest.indexOf('=') + 1)
    else if (word === 'check') app.check.push([rest.split(' ')[0], rest.includes(' ') ? rest.slice(rest.indexOf(' ') + 1) : null])
    else throw new Error(`${name}: what is "${line}"?`)
  }
  if (!app.run.length || !app.check.length) throw new Error(`${name}: nothing is run or nothing is checked`)
  return app
}

const base = Object.fromEntries(['PATH', 'LANG', 'TERM'].map(k => [k, process.env[k]]).filter(([, v]) => v))
/** Runs PROGRAM in its own process group, which ends with it; `log` gets what it says. */
const run = (program, args, { cwd, env, log, seconds = SECONDS * 2 }) => new Promise(resolve => {
  const child = spawn(program, args, { cwd, env: { ...base, CI: '1', ...env }, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let said = ''
  const hear = bytes => { said = (said + bytes).slice(-20000) }
  child.stdout.on('data', hear); child.stderr.on('data', hear)
  const end = () => { try { process.kill(-child.pid, 'SIGKILL') } catch {} }
  const timer = setTimeout(() => { said += `\nno end after ${seconds} s`; end() }, seconds * 1000)
  child.on('close', status => { clearTimeout(timer); end(); appendFileSync(log, `$ ${program} ${args.join(' ')}\n${said}\n[${status}]\n`); resolve({ status, said }) })
  child.on('error', error => { said += error.message })
})

/** pnpm, fetched once, as everything is. */
async function peer (registry) {
  const cwd = join(folder, 'peers')
  const bin = join(cwd, 'node_modules/.bin/pnpm')
  if (existsSync(bin)) return bin
  mkdirSync(join(folder, 'logs'), { recursive: true }); mkdirSync(cwd, { recursive: true })
  writeFileSync(join(cwd, 'package.json'), '{"private": true}')
  const how = { cwd, env: { HOME: cwd }, log: join(folder, 'logs/peers.txt') }
  const { status } = await run('npm', ['install', ...QUIET, '--ignore-scripts', '--registry', registry, '--cache', join(cwd, 'cache'), 'pnpm@12'], how)
  if (status === 0) await run('node', ['install.js'], { ...how, cwd: join(cwd, 'node_modules/pnpm') })
  return status === 0 ? bin : null
}

/** Who installs: arguments, environment, files beside the project's, and what is known to decide about the tree's scripts. */
function ways (registry, pnpm) {
  const ours = linker => ({
    program: pantry,
    args: () => ['install', '--linker', linker, '--quiet'],
    env: home => ({ npm_config_registry: registry, PANTRY_HOME: home }),
    files: app => app.trust.length ? { 'package.json': JSON.stringify({ ...JSON.parse(text(app, 'package.json')), trustedDependencies: app.trust }, null, 2) } : {}
  })
  const theirs = globally => ({
    program: pnpm,
    args: app => ['install', '--no-frozen-lockfile', ...(app.trust.length ? [] : ['--ignore-scripts'])],
    env: home => ({ npm_config_registry: registry, HOME: home, XDG_DATA_HOME: join(home, 'data'), XDG_CACHE_HOME: join(home, 'cache') }),
    files: app => ({ 'pnpm-workspace.yaml': `minimumReleaseAge: 0\nenableGlobalVirtualStore: ${globally}\nconfirmModulesPurge: false\n` +
      (app.trust.length ? `onlyBuiltDependencies:\n${app.trust.map(n => `  - "${n}"\n`).join('')}` : '') })
  })
  return {
    hoisted: ours('hoisted'), isolated: ours('isolated'), store: ours('store'),
    npm: {
      program: 'npm',
      args: app => ['install', ...QUIET, ...(app.trust.length ? [] : ['--ignore-scripts'])],
      env: home => ({ npm_config_registry: registry, npm_config_cache: home }),
      files: () => ({})
    },
    ...(pnpm ? { pnpm: theirs(false), 'pnpm-store': theirs(true) } : {})
  }
}
const text = (app, file) => app.files.find(f => f[0] === file)[1]

/** Packages of a tree that do not belong on this machine. */
function foreign (modules) {
  const found = []
  const musl = !process.report.getReport().header.glibcVersionRuntime
  const fits = (list, mine) => !list || list.includes('any') || (list.some(x => x[0] !== '!') ? list.includes(mine) : !list.includes(`!${mine}`))
  const walk = (dir, depth) => {
    for (const e of readdirSync(dir, { withFileTypes: true })) {
      if (!e.isDirectory()) continue
      const path = join(dir, e.name)
      if (e.name.startsWith('@') || e.name === 'node_modules' || (e.name.startsWith('.') && depth < 4)) { walk(path, depth + 1); continue }
      if (existsSync(join(path, 'node_modules'))) walk(join(path, 'node_modules'), depth + 1)
      try {
        const p = JSON.parse(readFileSync(join(path, 'package.json')))
        const list = x => x && (Array.isArray(x) ? x : [x])
        if (!fits(list(p.os), process.platform) || !fits(list(p.cpu), process.arch) || !fits(list(p.libc), musl ? 'musl' : 'glibc')) found.push(`${p.name}@${p.version}`)
      } catch {}
      if (dir.includes('/.pantry') || dir.includes('/.pnpm')) { if (!existsSync(join(path, 'package.json'))) walk(path, depth + 1) }
    }
  }
  walk(modules, 0)
  return found
}

const cut = spawnSync('unshare', ['-rn', 'ip', 'link', 'set', 'lo', 'up']).status === 0
/** Installs APP in one way and runs it: null when it works, else the reason. */
async function attempt (app, name, way, work) {
  const dir = join(work, 'projects', app.name, name)
  const home = join(work, 'homes', name)
  const log = join(folder, 'logs', `${app.name}-${name}.txt`)
  mkdirSync(dir, { recursive: true }); mkdirSync(home, { recursive: true }); mkdirSync(dirname(log), { recursive: true })
  writeFileSync(log, '')
  for (const [file, content] of [...app.files, ...Object.entries(way.files(app))]) {
    mkdirSync(dirname(join(dir, file)), { recursive: true })
    writeFileSync(join(dir, file), content)
  }
  const began = Date.now()
  const done = await run(way.program, way.args(app), { cwd: dir, env: { HOME: home, ...way.env(home) }, log })
  const took = ((Date.now() - began) / 1000).toFixed(1)
  const fail = why => { if (!process.env.PANTRY_APPS_KEEP) rmSync(dir, { recursive: true }); return { why, took } }
  if (done.status !== 0) return fail(`install: status ${done.status ?? "of a kill"}: ${last(done.said)}`)
  const others = ['hoisted', 'isolated'].includes(name) ? foreign(join(dir, 'node_modules')) : []
  if (others.length) return fail(`for another platform: ${others.join(' ')}`)
  const env = {
    HOME: join(dir, '.home'), PATH: `${join(dir, 'node_modules/.bin')}:${process.env.PATH}`, NODE_OPTIONS: '--max-old-space-size=3072',
    ...Object.fromEntries(['NEXT_TELEMETRY_DISABLED', 'NUXT_TELEMETRY_DISABLED', 'ASTRO_TELEMETRY_DISABLED', 'STORYBOOK_DISABLE_TELEMETRY'].map(k => [k, '1'])),
    NG_CLI_ANALYTICS: 'false', ...app.env
  }
  mkdirSync(env.HOME)
  for (const command of app.run) {
    const bounded = `ulimit -d ${KIBIBYTES}; ${cut ? 'ip link set lo up; ' : ''}${command}`
    const ran = await run(cut ? 'unshare' : 'sh', [...(cut ? ['-rn', 'sh'] : []), '-c', bounded], { cwd: dir, env, log, seconds: SECONDS })
    if (ran.status !== 0) return fail(`${command}: status ${ran.status ?? "of a kill"}: ${last(ran.said)}`)
    writeFileSync(join(dir, 'said.txt'), ran.said)
  }
  for (const [file, wanted] of app.check) {
    const path = join(dir, file)
    if (!existsSync(path)) return fail(`no ${file}`)
    if (statSync(path).isFile() && !statSync(path).size) return fail(`${file} is empty`)
    if (wanted && !readFileSync(path, 'utf8').includes(wanted)) return fail(`${file} has no "${wanted}"`)
  }
  return { ...fail(null) }
}
const last = said => {
  const lines = said.replace(/\x1b\[[0-9;]*[A-Za-z]/g, '').split('\n').map(l => l.trim()).filter(Boolean)
  return (lines.find(l => /cannot find|could not resolve|can't resolve|not found|err_module/i.test(l)) || lines.find(l => /error/i.test(l)) || lines.at(-1) || '').slice(0, 220)
}

const asked = process.argv.slice(2)
const names = readdirSync(join(here, 'projects')).map(f => f.replace('.txt', '')).filter(n => !asked.length || asked.includes(n)).sort()
const reviewed = new Map()
for (const line of readFileSync(join(here, 'reviewed.tsv'), 'utf8').split('\n').filter(l => l && !l.startsWith('#'))) {
  const [name, linker, why] = line.split('\t')
  reviewed.set(`${name} ${linker}`, why)
}
mkdirSync(folder, { recursive: true })
const registry = await start(join(folder, 'registry'), frozen)
const pnpm = await peer(registry.url)
const table = ways(registry.url, pnpm)
const work = process.env.PANTRY_APPS_WORK ? absolute(process.env.PANTRY_APPS_WORK) : mkdtempSync(join(tmpdir(), 'apps-'))
// What peers do with a page does not change while page and node stay: it is measured once.
const knownFile = join(folder, 'peers.json')
const known = existsSync(knownFile) ? JSON.parse(readFileSync(knownFile)) : {}
let bad = 0
const isPeer = how => how.startsWith('npm') || how.startsWith('pnpm')
const rows = names.map(name => ({ app: page(name), name }))
// Ours first: what fails is seen early.
for (const peers of [false, true]) {
  for (const row of rows) {
    for (const [how, way] of Object.entries(table).filter(([how]) => isPeer(how) === peers)) {
      const key = `${row.name} ${how} ${createHash('sha256').update(row.app.text + process.version).digest('hex').slice(0, 16)}`
      const found = row[how] = (peers && known[key]) || await attempt(row.app, how, way, work)
      const explained = reviewed.get(`${row.name} ${how}`)
      if (peers) {
        known[key] = found
        writeFileSync(knownFile, JSON.stringify(known, null, 1))
      }
      console.log(`${row.name} ${how}: ${found.why ? 'FAILS' : 'works'} (${found.took} s to install)${found.why ? `: ${found.why}` : ''}${found.why && explained && !peers ? ` (reviewed: ${explained})` : ''}`)
    }
  }
}
registry.close()
// What fails in the peer's like tree, too, is the tool's own failure.
for (const row of rows) {
  for (const [how, like] of [['hoisted', 'npm'], ['isolated', 'pnpm'], ['store', 'pnpm-store']]) {
    const [ours, explained] = [row[how].why, reviewed.get(`${row.name} ${how}`)]
    const theirs = row[like] && !row[like].why
    if (ours ? theirs && !explained : explained) {
      bad++
      console.log(`${row.name} ${how}: ${ours ? `works with ${like}` : `works, although reviewed.tsv says: ${explained}`}`)
    }
  }
}
if (!process.env.PANTRY_APPS_KEEP) rmSync(work, { recursive: true, force: true })
const columns = Object.keys(table)
const cell = r => r.why ? 'fails' : 'works'
console.log(['', 'tool'.padEnd(20), ...columns.map(c => c.padEnd(10))].join(' '))
for (const row of rows) console.log(['', row.name.padEnd(20), ...columns.map(c => cell(row[c]).padEnd(10))].join(' '))
console.log(`${rows.length} tools; ` + columns.map(c => `${c} ${rows.filter(r => !r[c].why).length}`).join(', ') + `; ${bad} not explained`)
if (registry.vain.size) console.log(`not in the frozen registry: ${[...registry.vain].join(' ')}`)
process.exit(bad ? 1 : 0)
