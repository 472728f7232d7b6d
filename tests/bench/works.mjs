// Is what was installed in the working directory usable? Read by node from stdin, so that imports resolve from there.
// argv: PROJECT. Fails with an exception where a direct dependency is missing or, in the app, does not load.
import fs from 'node:fs';
import path from 'node:path';

const project = process.argv[2];
const root = process.cwd();
const read = (dir) => JSON.parse(fs.readFileSync(path.join(dir, 'package.json'), 'utf8'));
const packages = path.join(root, 'packages');
const members = fs.existsSync(packages) ? fs.readdirSync(packages).map((name) => path.join(packages, name)) : [];
for (const dir of [root, ...members]) {
  const manifest = read(dir);
  for (const name of Object.keys({ ...manifest.dependencies, ...manifest.devDependencies })) {
    const places = [dir, root].map((at) => path.join(at, 'node_modules', name));
    const place = places.find((at) => fs.existsSync(path.join(at, 'package.json')));
    if (!place) throw new Error(`${name} of ${path.relative(root, dir) || '.'} is not installed`);
    if (read(place).name !== name) throw new Error(`${place} is ${read(place).name}`);
  }
}
if (project === 'app') {
  const names = Object.keys({ ...read(root).dependencies, ...read(root).devDependencies });
  for (const name of [...names.filter((name) => name !== 'typescript'), 'react-dom/server', 'typescript']) await import(name);
}
