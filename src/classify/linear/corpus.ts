import { z } from 'zod';
import { MODEL_CLASSES, type ModelClass, TASKS, type Task } from '../../core/classes.ts';
import { GatewayError } from '../../core/errors.ts';
import type { LinearInput } from './linear-input.ts';

/** One labelled request. */
export type Example = { readonly input: LinearInput; readonly task: Task; readonly class: ModelClass };

const rowSchema = z.strictObject({
  text: z.string().min(1),
  system: z.string().optional(),
  stream: z.boolean().default(false),
  max_tokens: z.int().min(1).optional(),
  tools: z.int().min(0).optional(),
  tool_loop: z.boolean().optional(),
  response_format: z.enum(['text', 'json_object', 'json_schema', 'grammar']).optional(),
  messages: z.int().min(1).optional(),
  task: z.enum(TASKS),
  class: z.enum(MODEL_CLASSES),
  language: z.string().optional(),
  source: z.string().optional(),
});

/** More faults than this are counted instead of listed. */
const FAULTS_LISTED = 10;

/**
 * Reads labelled requests from JSON lines; blank lines are passed over. `name` stands before line numbers in messages.
 * Throws `invalid_request` that lists the faulty lines with what was expected, up to ten of them.
 */
export function parseCorpus(text: string, name: string): Example[] {
  const examples: Example[] = [];
  const faults: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    const example = parseLine(line);
    if (typeof example === 'string') faults.push(`${name}:${index + 1}: ${example}`);
    else examples.push(example);
  }
  if (faults.length === 0) return examples;
  const more = faults.length > FAULTS_LISTED ? `\nand ${faults.length - FAULTS_LISTED} more lines` : '';
  throw new GatewayError('invalid_request', `${faults.slice(0, FAULTS_LISTED).join('\n')}${more}`);
}

function parseLine(line: string): Example | string {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return 'not JSON; each line is one object such as {"text": "...", "task": "code", "class": "interactive"}';
  }
  const parsed = rowSchema.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const path = issue?.path.join('.');
    return path === undefined || path === '' ? `${issue?.message}` : `${path}: ${issue?.message}`;
  }
  const row = parsed.data;
  return {
    input: {
      text: row.text,
      system: row.system ?? '',
      stream: row.stream,
      maxTokens: row.max_tokens,
      toolCount: row.tools ?? 0,
      inToolLoop: row.tool_loop ?? false,
      responseFormat: row.response_format ?? 'text',
      messageCount: row.messages ?? 1,
    },
    task: row.task,
    class: row.class,
  };
}
