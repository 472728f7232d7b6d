// Compares src/resolve/range.rs with the `semver` package inside the installed npm, on generated
// ranges, and on every range of the packuments that compare.mjs has frozen (4,000 at least).
//
//   node tests/conformance/ranges.mjs [COUNT]            PANTRY_CONFORMANCE: where they lie
import { createRequire } from 'node:module'
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { random as numbers } from './random.mjs'
const root = execFileSync('npm', ['root', '-g'], { encoding: 'utf8' }).trim()
const semver = createRequire(`${root}/npm/index.js`)('semver')
const { below: random, one } = numbers(42)
const xr = () => one(['0', '1', '2', '3', '10', 'x', 'X', '*', '01', '1', '2', '0'])
const pre = () => one(['', '', '', '', '-alpha', '-beta.2', '-0', '-rc.01', 'beta', '-', '--', '-1a', '+b.1', '-a+b'])
const partial = () => one(['', '', '', '', 'v', '=', 'v ']) +
  one([() => xr(), () => `${xr()}.${xr()}`, () => `${xr()}.${xr()}.${xr()}${pre()}`, () => `${1 + random(3)}.${random(3)}.${random(4)}${pre()}`])()
const word = () => one(['^', '~', '~>', '>=', '<', '<=', '>', '=', '', '', '', '^', '~', '>= ', '< ', '^ ', '~ ', '> ']) +
  one([partial, partial, partial, partial, () => one(['foo', 'latest', '-', '1.2.3.4', '1.x.3', '^', '>', ',', '1.2.3*', '**'])])()
const set = () => random(12) === 0 ? `${partial().trim().replace(/^(v |=)/, '')} - ${partial().replace(/^(v |=)/, '')}` : Array.from({ length: 1 + random(3) }, word).join(one([' ', ' ', '  ', '']))
const range = () => Array.from({ length: 1 + random(2) }, set).join(one(['||', ' || ']))
const versions = ['0.0.0', '0.0.1', '0.1.0', '0.1.2', '0.2.0-alpha', '1.0.0', '1.0.0-0', '1.0.0-alpha', '1.2.3', '1.2.3-beta', '1.2.3-beta.2', '1.2.3-rc.1', '1.2.4', '1.10.0', '2.0.0', '2.0.0-0', '2.0.0-rc.1', '2.1.0', '2.3.1', '3.0.0', '3.0.0-alpha', '3.2.1', '10.0.0', '10.10.10', '1.0.0--', '2.1.0-1a']
const ranges = new Set(Array.from({ length: +(process.argv[2] || 20000) }, range))
const frozen = join(process.env.PANTRY_CONFORMANCE || join(homedir(), '.cache/pantry-conformance'), 'packuments')
const real = new Set()
for (const f of readdirSync(frozen)) {
  for (const v of Object.values(JSON.parse(gunzipSync(readFileSync(join(frozen, f)))).versions || {})) {
    for (const k of ['dependencies', 'peerDependencies', 'optionalDependencies']) for (const r of Object.values(v[k] || {})) real.add(String(r))
    for (const r of Object.values(v.engines || {})) real.add(String(r))
  }
}
real.forEach(r => ranges.add(r))
const list = [...ranges].filter(r => !/[\t\n]/.test(r))
const bin = spawnSync('cargo', ['build', '-q', '--example', 'conformance'], { stdio: 'inherit' })
if (bin.status) process.exit(1)
const ask = (how, lines) => {
  const answers = []
  for (let at = 0; at < lines.length; at += 100000) {
    const input = lines.slice(at, at + 100000).join('')
    const { stdout } = spawnSync('target/debug/examples/conformance', [how], { input, encoding: 'utf8', maxBuffer: 1 << 30 })
    for (const answer of stdout.trim().split('\n')) answers.push(answer)
  }
  return answers
}
const answers = ask('ranges', list.flatMap(r => versions.map(v => `${r}\t${v}\n`)))
let i = 0, wrong = 0
for (const r of list) {
  const valid = semver.validRange(r, true) !== null
  for (const v of versions) {
    const theirs = !valid ? 'x' : semver.satisfies(v, r, { loose: true }) ? '1' : '0'
    if (answers[i++] !== theirs && wrong++ < 40) console.log(JSON.stringify(r), v, 'npm', theirs, 'ours', answers[i - 1], semver.validRange(r, true))
  }
}
const valid = [...real].filter(r => !/[\t\n]/.test(r) && semver.validRange(r, true) !== null)
// A pre-release beside anything at all: npm's answer depends on which of them comes first.
const pairs = Array.from({ length: list.length }, () => [one(valid), one(valid)]).filter(p => semver.validRange(p[1], true) !== '*')
ask('intersects', pairs.map(p => p.join('\t') + '\n')).forEach((ours, i) => {
  const theirs = semver.intersects(...pairs[i], { loose: true }) ? '1' : '0'
  if (ours !== theirs && wrong++ < 40) console.log('intersects', JSON.stringify(pairs[i]), 'npm', theirs, 'ours', ours)
})
console.log(`${list.length} ranges (${real.size} of them from real packages), ${list.length * versions.length} comparisons, ${pairs.length} pairs of ranges, ${wrong} different`)
process.exit(wrong || real.size < 4000 ? 1 : 0)
