// Writes the two projects into argv[2]: app (a React application, 13 direct dependencies, 235 packages) and mono (a
// workspace of 20 packages that depend on each other and, together, on about 850 archives; npm's `workspaces` beside
// pnpm's own file).
import fs from 'node:fs';
import path from 'node:path';

const out = process.argv[2];
const write = (file, text) => {
  const target = path.join(out, file);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(target, text);
};
const json = (value) => JSON.stringify(value, null, 2) + '\n';

write('app/package.json', json({
  name: 'bench-app',
  version: '1.0.0',
  private: true,
  dependencies: {
    react: '^19.0.0',
    'react-dom': '^19.0.0',
    'react-router-dom': '^7.0.0',
    axios: '^1.7.0',
    express: '^5.0.0',
    zod: '^3.23.0',
    'date-fns': '^4.1.0',
    zustand: '^5.0.0',
    clsx: '^2.1.0',
  },
  devDependencies: {
    typescript: '^5.6.0',
    vite: '^6.0.0',
    '@vitejs/plugin-react': '^4.3.0',
    eslint: '^9.15.0',
  },
}));

const libraries = [
  { react: '^18.3.0', 'react-dom': '^18.3.0', '@emotion/react': '^11.13.0', '@emotion/styled': '^11.13.0' },
  { express: '^4.21.0', 'body-parser': '^1.20.0', cors: '^2.8.5', helmet: '^8.0.0', morgan: '^1.10.0', winston: '^3.15.0' },
  { '@reduxjs/toolkit': '^2.3.0', 'react-redux': '^9.1.0', '@tanstack/react-query': '^5.59.0', axios: '^1.7.0' },
  { graphql: '^16.9.0', '@graphql-tools/schema': '^10.0.0', dataloader: '^2.2.0' },
  { fastify: '^5.1.0', '@fastify/cors': '^10.0.0', pino: '^9.5.0', ajv: '^8.17.0' },
  { lodash: '^4.17.21', 'date-fns': '^4.1.0', rxjs: '^7.8.0', uuid: '^11.0.0', nanoid: '^5.0.0' },
  { commander: '^12.1.0', chalk: '^5.3.0', ora: '^8.1.0', execa: '^9.5.0', yargs: '^17.7.0' },
  { 'socket.io': '^4.8.0', ws: '^8.18.0', 'socket.io-client': '^4.8.0' },
  { zod: '^3.23.0', yup: '^1.4.0', joi: '^17.13.0', 'class-validator': '^0.14.1' },
  { marked: '^15.0.0', 'markdown-it': '^14.1.0', 'highlight.js': '^11.10.0' },
];
const tools = [
  { jest: '^29.7.0', 'ts-jest': '^29.2.0', '@types/jest': '^29.5.0' },
  { webpack: '^5.96.0', 'webpack-cli': '^5.1.0', 'babel-loader': '^9.2.0', '@babel/core': '^7.26.0', '@babel/preset-env': '^7.26.0', '@babel/preset-react': '^7.25.0' },
  { eslint: '^8.57.0', 'eslint-config-prettier': '^9.1.0', prettier: '^3.3.0' },
  { vite: '^6.0.0', vitest: '^2.1.0', '@vitejs/plugin-react': '^4.3.0' },
  { rollup: '^4.27.0', '@rollup/plugin-node-resolve': '^15.3.0', '@rollup/plugin-commonjs': '^28.0.0', '@rollup/plugin-typescript': '^12.1.0', tslib: '^2.8.0' },
  { postcss: '^8.4.0', autoprefixer: '^10.4.0', 'postcss-loader': '^8.1.0', 'css-loader': '^7.1.0' },
];
write('mono/package.json', json({
  name: 'bench-mono',
  version: '1.0.0',
  private: true,
  workspaces: ['packages/*'],
  devDependencies: { typescript: '^5.6.0' },
}));
write('mono/pnpm-workspace.yaml', "packages:\n  - 'packages/*'\n");
const label = (i) => `pkg-${String(i).padStart(2, '0')}`;
for (let i = 0; i < 20; i++) {
  const dependencies = { ...libraries[i % libraries.length], ...libraries[(i * 3 + 1) % libraries.length] };
  const devDependencies = { ...tools[i % tools.length], typescript: '^5.6.0', '@types/node': '^22.9.0' };
  for (const name of Object.keys(dependencies)) delete devDependencies[name];
  // Each depends on the two before it.
  for (const j of [i - 1, i - 2]) if (j >= 0) dependencies[`@bench/${label(j)}`] = '1.0.0';
  const manifest = { name: `@bench/${label(i)}`, version: '1.0.0', private: true, main: 'index.js', dependencies, devDependencies };
  write(`mono/packages/${label(i)}/package.json`, json(manifest));
  write(`mono/packages/${label(i)}/index.js`, `module.exports = ${i};\n`);
}
