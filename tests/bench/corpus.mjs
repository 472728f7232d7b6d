// Turns npm's own caches (filled by ordinary installs, see lab.sh) into the files of a static registry.
// usage: node corpus.mjs CORPUS LOOPBACK_URL REGISTRY_URL
//
//   meta/NAME.full.json(.gz)    the packument, tarball addresses pointing to LOOPBACK_URL ("/" in NAME is "%2f")
//   meta/NAME.corgi.json(.gz)   its abbreviated form
//   tarballs/NAME/-/FILE.tgz    the archives as they came
//   app.tgz, mono.tgz           the archives each project installs, for the floors
//   app.meta, mono.meta         the packuments each project needs
//   stat.json                   counts; written last
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';

const [corpus, base, registryUrl] = process.argv.slice(2);
const registry = registryUrl.replace(/\/$/, '');
const MODULES = 'node_modules/';
const stat = { corgi: 0, full: 0, tar: 0, corgiBytes: 0, corgiGz: 0, fullBytes: 0, fullGz: 0, tarBytes: 0, versions: 0, cloned: 0 };
const meta = path.join(corpus, 'meta');
const tarballs = path.join(corpus, 'tarballs');
for (const dir of [meta, tarballs]) {
  fs.rmSync(dir, { recursive: true, force: true });
  fs.mkdirSync(dir, { recursive: true });
}
const lockOf = (project) => JSON.parse(fs.readFileSync(path.join(corpus, 'warm', project, 'package-lock.json'))).packages;
/** The registry name of a lock entry: an alias is installed under another one. */
const nameOf = (key, entry) => entry.name ?? key.slice(key.lastIndexOf(MODULES) + MODULES.length);
const installed = (project) => Object.entries(lockOf(project)).filter(([key, entry]) => key.includes(MODULES) && !entry.link);

// Every name that is installed, or that another package manager may ask about.
const names = new Set();
for (const project of fs.readdirSync(path.join(corpus, 'warm'))) {
  for (const [key, entry] of installed(project)) {
    names.add(nameOf(key, entry));
    for (const other of Object.keys({ ...entry.optionalDependencies, ...entry.peerDependencies })) names.add(other);
  }
}

/** The lines of a cache's index, last written last. */
function* cached(cache) {
  const root = path.join(cache, '_cacache', 'index-v5');
  for (const file of fs.readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    for (const line of fs.readFileSync(path.join(file.parentPath ?? file.path, file.name), 'utf8').split('\n')) {
      const tab = line.indexOf('\t');
      if (tab < 0) continue;
      const entry = JSON.parse(line.slice(tab + 1));
      if (entry.integrity && entry.metadata) yield entry;
    }
  }
}
const body = (cache, integrity) => {
  const [algorithm, digest] = integrity.split('-');
  const hex = Buffer.from(digest, 'base64').toString('hex');
  return fs.readFileSync(path.join(cache, '_cacache', 'content-v2', algorithm, hex.slice(0, 2), hex.slice(2, 4), hex.slice(4)));
};

const documents = new Map();
const seen = new Set();
for (const kind of ['npm-full', 'npm-corgi']) {
  const cache = path.join(corpus, kind);
  for (const entry of [...cached(cache)].reverse()) {
    const url = entry.metadata.url;
    if (!url.startsWith(registry + '/') || seen.has(url)) continue;
    const where = decodeURIComponent(url.slice(registry.length + 1));
    if (!names.has(where.split('/-/')[0])) continue;
    if (where.endsWith('.tgz')) {
      seen.add(url);
      const bytes = body(cache, entry.integrity);
      const target = path.join(tarballs, where);
      fs.mkdirSync(path.dirname(target), { recursive: true });
      fs.writeFileSync(target, bytes);
      stat.tar++;
      stat.tarBytes += bytes.length;
    } else if (!where.includes('/-/')) {
      const document = JSON.parse(body(cache, entry.integrity));
      if (!document.versions) continue;
      seen.add(url);
      documents.set(where, document);
    }
  }
}

// The registry asked may lag: a platform package that an optionalDependency names exactly may lack that version, and
// then some package managers stop. Such an entry (never downloaded on this platform) is cloned from the nearest one.
for (const document of documents.values()) {
  for (const version of Object.values(document.versions)) {
    for (const [name, range] of Object.entries(version.optionalDependencies ?? {})) {
      const target = documents.get(name);
      if (!target || !/^\d+\.\d+\.\d+$/.test(range) || target.versions[range]) continue;
      const near = Object.keys(target.versions).at(-1);
      target.versions[range] = { ...structuredClone(target.versions[near]), version: range };
      if (target.time) target.time[range] = target.time[near];
      stat.cloned++;
    }
  }
}

// The abbreviated form, by the registry's description of it, is cut out of the full one.
const KEPT = ['name', 'version', 'deprecated', 'dependencies', 'optionalDependencies', 'devDependencies', 'bundleDependencies',
  'bundledDependencies', 'peerDependencies', 'peerDependenciesMeta', 'acceptDependencies', 'bin', 'directories', 'dist', 'engines',
  'cpu', 'os', 'libc', '_hasShrinkwrap', 'hasInstallScript', 'funding'];
const put = (name, kind, value) => {
  const text = Buffer.from(JSON.stringify(value));
  const gzip = zlib.gzipSync(text, { level: 6 });
  const file = path.join(meta, `${name.replaceAll('/', '%2f')}.${kind}.json`);
  fs.writeFileSync(file, text);
  fs.writeFileSync(file + '.gz', gzip);
  stat[kind]++;
  stat[kind + 'Bytes'] += text.length;
  stat[kind + 'Gz'] += gzip.length;
};
for (const [name, full] of documents) {
  const corgi = { name: full.name, 'dist-tags': full['dist-tags'], versions: {}, modified: full.time?.modified };
  for (const [number, version] of Object.entries(full.versions)) {
    const tarball = version.dist.tarball;
    version.dist.tarball = base + '/' + tarball.slice(tarball.indexOf('/', 8) + 1);
    const short = (corgi.versions[number] = {});
    for (const field of KEPT) if (field in version) short[field] = version[field];
    if (['preinstall', 'install', 'postinstall'].some((script) => script in (version.scripts ?? {}))) short.hasInstallScript = true;
    stat.versions++;
  }
  put(name, 'corgi', corgi);
  put(name, 'full', full);
  const latest = full.versions[full['dist-tags'].latest];
  if (latest) put(name + '/latest', 'full', latest); // GET /name/latest, which pnpm's add asks for
}

for (const project of ['app', 'mono']) {
  const archives = new Set();
  const packuments = new Set();
  for (const [key, entry] of installed(project)) {
    if (!entry.version) continue;
    const name = nameOf(key, entry);
    packuments.add(`${meta}/${name.replace('/', '%2f')}.corgi.json`);
    archives.add(`${tarballs}/${name}/-/${name.split('/').pop()}-${entry.version}.tgz`);
  }
  const list = (kind, files) =>
    fs.writeFileSync(path.join(corpus, `${project}.${kind}`), [...files].filter((file) => fs.existsSync(file)).join('\n') + '\n');
  list('tgz', archives);
  list('meta', packuments);
}
stat.names = names.size;
fs.writeFileSync(path.join(corpus, 'stat.json'), JSON.stringify(stat, null, 1) + '\n');
console.error(`bench: corpus of ${stat.names} names, ${stat.versions} versions, ${stat.tar} archives (${(stat.tarBytes / 1e6).toFixed(0)} MB)`);
