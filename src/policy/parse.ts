import { createHash } from 'node:crypto';
import { GatewayError } from '../core/errors.ts';
import { formatBytes } from '../core/format.ts';
import type { Policy } from '../core/policy.ts';
import { deepFreeze } from './freeze.ts';
import { expectation, type PolicyProblem, pathText, problemLine, schemaProblems } from './problems.ts';
import { referenceProblems } from './references.ts';
import { resolvePolicy } from './resolve.ts';
import { policySchema } from './schema.ts';
import { readSource, type SourceText } from './source-text.ts';

/** Larger policy files are refused: a real one has some ten KB. */
export const POLICY_BYTES_MAX = 1_000_000;

/** A policy, or everything that is wrong with its text in the order of the file. */
export type PolicyResult =
  | { readonly kind: 'valid'; readonly policy: Policy }
  | { readonly kind: 'invalid'; readonly problems: readonly PolicyProblem[] };

/**
 * Reads a policy from YAML text, deeply frozen. `file` is its path (relative files inside start at its folder) or a
 * name in angle brackets. Throws `invalid_config` with one line per problem: `FILE:LINE:COLUMN path: message`.
 */
export function parsePolicy(text: string, file: string): Policy {
  const result = checkPolicy(text, file);
  if (result.kind === 'valid') return result.policy;
  throw new GatewayError('invalid_config', result.problems.map((problem) => problemLine(file, problem)).join('\n'));
}

/** {@link parsePolicy} that returns the problems in place of throwing them. */
export function checkPolicy(text: string, file: string): PolicyResult {
  const early = textProblem(text);
  if (early !== undefined) return { kind: 'invalid', problems: [early] };
  const source = readSource(text);
  if (source.faults.length > 0) {
    const problems = source.faults.map((fault) => ({ ...fault, path: pathText(fault.path) }));
    return { kind: 'invalid', problems: inOrder(problems) };
  }
  return checkSource(source, { file, revision: revisionOf(text) });
}

function checkSource(source: SourceText, origin: { file: string; revision: string }): PolicyResult {
  const parsed = policySchema.safeParse(source.root, { error: expectation });
  const problems = [...(parsed.error ? schemaProblems(source, parsed.error.issues) : []), ...referenceProblems(source)];
  if (parsed.data === undefined || problems.length > 0) return { kind: 'invalid', problems: inOrder(problems) };
  return { kind: 'valid', policy: deepFreeze(resolvePolicy(parsed.data, origin)) };
}

function textProblem(text: string): PolicyProblem | undefined {
  const bytes = Buffer.byteLength(text);
  const at = { line: 1, column: 1, path: '' };
  if (bytes > POLICY_BYTES_MAX) {
    return { ...at, message: `the file has ${formatBytes(bytes)}; at most ${formatBytes(POLICY_BYTES_MAX)} are read` };
  }
  return text.trim() === '' ? { ...at, message: 'the file is empty; a policy starts with "version: 1"' } : undefined;
}

function revisionOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}

function inOrder(problems: readonly PolicyProblem[]): readonly PolicyProblem[] {
  return problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
}
