import { MODEL_CLASSES } from '../core/classes.ts';
import { normalizedName } from '../core/names.ts';
import { type PolicyProblem, pathText, problemAt } from './problems.ts';
import type { SourceText } from './source-text.ts';
import { didYouMean } from './suggest.ts';

/**
 * Names that must point at something, and names that must differ: model → runtime → device, `prefer`, `yield_to`,
 * rules → client, clients → model, aliases, clients. Works on the raw file, so that these are found beside the schema's problems and
 * not after them; what has a wrong type is the schema's business and is passed over here.
 */
export function referenceProblems(source: SourceText): PolicyProblem[] {
  return [...runtimeReferences(source), ...classReferences(source), ...nameClashes(source), ...clientProblems(source)];
}

function runtimeReferences(source: SourceText): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const runtimes = keysOf(source.value(['runtimes']));
  const devices = source.value(['devices']) === undefined ? ['cpu'] : keysOf(source.value(['devices']));
  for (const model of keysOf(source.value(['models']))) {
    const path = ['models', model, 'runtime'];
    problems.push(...unknownName(source, path, { names: runtimes, what: 'runtime' }));
  }
  for (const runtime of runtimes) {
    const path = ['runtimes', runtime, 'device'];
    problems.push(...unknownName(source, path, { names: devices, what: 'device' }));
  }
  return problems;
}

function classReferences(source: SourceText): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const models = keysOf(source.value(['models']));
  problems.push(...unknownName(source, ['classify', 'model'], { names: ['linear', 'off', ...models], what: 'model' }));
  for (const name of MODEL_CLASSES) {
    const prefer = ['classes', name, 'prefer'];
    problems.push(...unknownName(source, prefer, { names: models, what: 'model' }));
    const preferred = source.value(prefer);
    const allowed = typeof preferred === 'string' ? source.value(['models', preferred, 'classes']) : undefined;
    if (Array.isArray(allowed) && !allowed.includes(name)) {
      const message = `${JSON.stringify(preferred)} is not open to this class: its classes are ${allowed.join(', ')}`;
      problems.push(problemAt(source, prefer, { message }));
    }
    for (const [index, other] of listOf(source.value(['classes', name, 'yield_to'])).entries()) {
      if (other !== name) continue;
      problems.push(
        problemAt(source, ['classes', name, 'yield_to', index], { message: 'a class cannot yield to itself' }),
      );
    }
  }
  return problems;
}

/** Clients may ask for a model by id or alias, in any case and with folder or extension: none may mean two models. */
function nameClashes(source: SourceText): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const owners = new Map<string, (string | number)[]>();
  const models = keysOf(source.value(['models']));
  const claim = (name: string, path: (string | number)[], place: 'key' | 'value') => {
    const owner = owners.get(normalizedName(name));
    if (owner === undefined) {
      owners.set(normalizedName(name), path);
      return;
    }
    const { line } = source.position(owner, 'key');
    const message = `the name ${JSON.stringify(name)} is taken by ${pathText(owner)} on line ${line}`;
    problems.push(problemAt(source, path, { message, place }));
  };
  for (const model of models) claim(model, ['models', model], 'key');
  for (const model of models) {
    for (const [index, alias] of listOf(source.value(['models', model, 'aliases'])).entries()) {
      if (typeof alias === 'string') claim(alias, ['models', model, 'aliases', index], 'value');
    }
  }
  return problems;
}

function clientProblems(source: SourceText): PolicyProblem[] {
  const problems: PolicyProblem[] = [];
  const clients = listOf(source.value(['clients']));
  for (const key of ['name', 'key_env']) {
    const firsts = new Map<string, number>();
    clients.forEach((_, index) => {
      const path = ['clients', index, key];
      const value = source.value(path);
      if (typeof value !== 'string') return;
      const first = firsts.get(value);
      if (first === undefined) {
        firsts.set(value, index);
        return;
      }
      const { line } = source.position(['clients', first, key], 'value');
      const message = `${JSON.stringify(value)} is already the ${key} of clients[${first}] on line ${line}`;
      problems.push(problemAt(source, path, { message }));
    });
  }
  problems.push(...clients.flatMap((_, index) => openTo(source, index)));
  const names = clients.map((_, index) => String(source.value(['clients', index, 'name'])));
  listOf(source.value(['classify', 'rules'])).forEach((_, index) => {
    const path = ['classify', 'rules', index, 'when', 'client'];
    problems.push(...unknownName(source, path, { names, what: 'client' }));
  });
  return problems;
}

/** What is open to one client: models that exist, and among its classes the default one. */
function openTo(source: SourceText, client: number): PolicyProblem[] {
  const models = keysOf(source.value(['models']));
  const named = listOf(source.value(['clients', client, 'models'])).flatMap((_, index) =>
    unknownName(source, ['clients', client, 'models', index], { names: models, what: 'model' }),
  );
  const path = ['clients', client, 'class'];
  const [name, open] = [source.value(path), source.value(['clients', client, 'classes'])];
  if (typeof name !== 'string' || !Array.isArray(open) || open.includes(name)) return named;
  const message = `class ${name} is not among the classes of this client: ${open.join(', ')}`;
  return [...named, problemAt(source, path, { message })];
}

function unknownName(
  source: SourceText,
  path: (string | number)[],
  known: { readonly names: readonly string[]; readonly what: string },
): PolicyProblem[] {
  const name = source.value(path);
  if (typeof name !== 'string' || known.names.includes(name)) return [];
  const hint = didYouMean(name, known.names);
  const names = known.names.length === 0 ? `no ${known.what} is declared` : known.names.join(', ');
  const message = `no ${known.what} is called ${JSON.stringify(name)}${hint === '' ? `; known: ${names}` : hint}`;
  return [problemAt(source, path, { message })];
}

function keysOf(value: unknown): string[] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
