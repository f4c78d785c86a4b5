import { readFileSync } from 'node:fs';
import { GatewayError, messageOf } from '../core/errors.ts';
import { expectation, problemLine, schemaProblems } from '../policy/problems.ts';
import { readSource } from '../policy/source-text.ts';
import { findJsonFault } from './json-fault.ts';
import { type BenchDocument, benchDocumentSchema } from './result.ts';

/** Faults named of one file: the first ones tell what kind of file it is. */
const FAULTS_SHOWN = 5;

/**
 * A result file's document, fields of newer versions included. Throws `invalid_config` for a file that cannot be read or
 * is none: one line per fault, `FILE:LINE:COLUMN field: expected …, got …`.
 */
export function readResultFile(file: string): BenchDocument {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new GatewayError('invalid_config', `${file} cannot be read: ${messageOf(error)}`, { cause: error });
  }
  return parseResult(text, file);
}

/** {@link readResultFile} of a text; `file` names it in errors. */
export function parseResult(text: string, file: string): BenchDocument {
  // What is returned is the document as it stands and not what the schema made of it: its keys keep their order, so that
  // writing it again gives the same bytes.
  const document = parseJson(text, file);
  const { error } = benchDocumentSchema.safeParse(document, { error: expectation });
  if (error === undefined) return document as BenchDocument;
  const problems = schemaProblems(readSource(text), error.issues).toSorted(
    (a, b) => a.line - b.line || a.column - b.column,
  );
  throw refusal(
    file,
    problems.map((problem) => problemLine(file, problem)),
  );
}

function parseJson(text: string, file: string): unknown {
  const fault = findJsonFault(text);
  if (fault !== undefined) throw refusal(file, [problemLine(file, { ...fault, path: '' })]);
  return JSON.parse(text);
}

function refusal(file: string, lines: readonly string[]): GatewayError {
  const more = lines.length > FAULTS_SHOWN ? [`… and ${lines.length - FAULTS_SHOWN} more`] : [];
  const shown = [...lines.slice(0, FAULTS_SHOWN), ...more].join('\n');
  return new GatewayError(
    'invalid_config',
    `${file} is no result of sluice bench, nothing was taken from it (bench-results/result.schema.json says what one holds):\n${shown}`,
  );
}
