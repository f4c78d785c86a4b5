import { copyFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

/**
 * Builds the dashboard into dist/dashboard, or the folder that is given: one script, one style, one page, all by relative
 * address, so that they work below a path as well. Names hold a hash of the content, and browsers keep them for good.
 *
 *   npx tsx scripts/build-dashboard.ts [FOLDER]
 */

const ROOT = join(import.meta.dirname, '..');
const SOURCE = join(ROOT, 'src', 'dashboard');

const folder = process.argv[2] ?? join(ROOT, 'dist', 'dashboard');
await rm(folder, { recursive: true, force: true });
await mkdir(folder, { recursive: true });
const { metafile } = await build({
  entryPoints: [join(SOURCE, 'main.tsx'), join(SOURCE, 'style.css')],
  outdir: folder,
  entryNames: '[name]-[hash]',
  bundle: true,
  minify: true,
  metafile: true,
  format: 'esm',
  target: ['chrome120', 'firefox120', 'safari17'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  legalComments: 'none',
  logLevel: 'warning',
  absWorkingDir: ROOT,
});
const built = Object.keys(metafile.outputs).map((path) => basename(path));
const nameOf = (start: string): string => {
  const name = built.find((one) => one.startsWith(start));
  if (name === undefined) throw new Error(`the build of the dashboard wrote no ${start}…`);
  return name;
};
const page = await readFile(join(SOURCE, 'index.html'), 'utf8');
const named = page.replace('main.tsx', nameOf('main-')).replace('style.css', nameOf('style-'));
await writeFile(join(folder, 'index.html'), named);
await copyFile(join(SOURCE, 'icon.svg'), join(folder, 'icon.svg'));
// The script holds Preact, whose licence asks to be passed on with it.
await copyFile(join(ROOT, 'node_modules', 'preact', 'LICENSE'), join(folder, 'preact-license.txt'));
