import type { z } from 'zod';
import type { PropertyPath, SourceText } from './source-text.ts';

/** One thing wrong with a policy file. Lines and columns count from 1. */
export type PolicyProblem = {
  readonly line: number;
  readonly column: number;
  /** Dotted path, e.g. `models.foo.keep`; empty for the file as a whole. */
  readonly path: string;
  /** `expected ..., got ...` or another statement of what is wrong. */
  readonly message: string;
};

/** `FILE:LINE:COLUMN path: message`, the form editors and terminals make clickable. */
export function problemLine(file: string, problem: PolicyProblem): string {
  const path = problem.path === '' ? '' : `${problem.path}: `;
  return `${file}:${problem.line}:${problem.column} ${path}${problem.message}`;
}

/** A problem at a path: placed at its value, at its key for `key`, or at the nearest parent that exists. */
export function problemAt(
  source: SourceText,
  path: PropertyPath,
  problem: { readonly message: string; readonly place?: 'key' | 'value' },
): PolicyProblem {
  return { ...source.position(path, problem.place ?? 'value'), path: pathText(path), message: problem.message };
}

/** What the schema found, one problem per fault, in no order. */
export function schemaProblems(source: SourceText, issues: readonly z.core.$ZodIssue[]): PolicyProblem[] {
  return issues.flatMap((issue) => problemsOf(source, issue, []));
}

/** `models.foo.aliases[0]`; a key that is not a plain name is quoted: `models["a b"]`. */
export function pathText(path: PropertyPath): string {
  let text = '';
  for (const segment of path) {
    if (typeof segment === 'number') text += `[${segment}]`;
    else if (!/^[\w@+/:.-]+$/.test(segment)) text += `[${JSON.stringify(segment)}]`;
    else text += text === '' ? segment : `.${segment}`;
  }
  return text;
}

/** What the schema expected, in the words of the file; passed to zod for every issue that brings no message. */
export function expectation(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${TYPE_NAMES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `expected ${listed(issue.values.map(String))}`;
    case 'too_small':
      return bound(issue.origin, `${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}`);
    case 'too_big':
      return bound(issue.origin, `${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}`);
    case 'invalid_format':
      return issue.format === 'url' ? 'expected a URL such as http://127.0.0.1:7000/health' : undefined;
    default:
      return undefined;
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map of keys to values',
  record: 'a map of names to values',
  array: 'a list',
};

function problemsOf(source: SourceText, issue: z.core.$ZodIssue, base: PropertyPath): PolicyProblem[] {
  const path = [...base, ...issue.path.map((segment) => (typeof segment === 'number' ? segment : String(segment)))];
  if (issue.code === 'unrecognized_keys') {
    const messages = issue.message.split('\n');
    return issue.keys.map((key, index) =>
      problemAt(source, [...path, key], { message: messages[index] ?? 'unknown key', place: 'key' }),
    );
  }
  if (issue.code === 'invalid_key') {
    return [problemAt(source, path, { message: withGot(issue.issues[0]?.message ?? '', path.at(-1)), place: 'key' })];
  }
  if (issue.code === 'invalid_union') {
    // A branch whose faults all lie deeper had the right shape: its own words help more than "one of these".
    const nearest = issue.errors.find((branch) => branch.length > 0 && branch.every((fault) => fault.path.length > 0));
    if (nearest !== undefined) return nearest.flatMap((fault) => problemsOf(source, fault, path));
  }
  return [problemAt(source, path, { message: withGot(issue.message, source.value(path)) })];
}

function withGot(message: string, value: unknown): string {
  if (!message.startsWith('expected') || message.includes(', got ')) return message;
  return `${message}, got ${shown(value)}`;
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing: the key is missing';
  if (value === null) return 'nothing: give it a value or remove the key';
  const text = typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function listed(names: readonly string[]): string {
  return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}

function bound(origin: string, limit: string): string {
  if (origin === 'array') return `expected a list of ${limit} entries`;
  if (origin === 'string')
    return limit === 'at least 1' ? 'expected text that is not empty' : `expected text of ${limit} characters`;
  return `expected ${limit}`;
}
