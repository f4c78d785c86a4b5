import { execa } from 'execa';
import type { EvalCheck } from '../../quality/item.ts';

/** What came of running a model's code: all cases right, or why not. */
export type CodeResult = { readonly kind: 'right' } | { readonly kind: 'wrong'; readonly why: string };

/** A right function of our items takes microseconds. */
const CASE_TIMEOUT_MS = 1000;
/** The whole process, its start included; a slow board needs a second for Node alone. */
const PROCESS_TIMEOUT_MS = 15_000;
const HEAP_MB = 64;

// Runs inside the sandbox. The code sees the language and nothing else: a fresh context has neither process nor require
// nor fetch, and no object of ours whose constructor leads back to them; what it returns comes out as JSON text.
const HARNESS = `
let text = '';
process.stdin.setEncoding('utf8').on('data', (part) => { text += part; }).on('end', () => {
  const vm = require('node:vm');
  const { source, name, cases, timeout } = JSON.parse(text);
  const options = { timeout, contextCodeGeneration: { strings: false, wasm: false } };
  for (const [index, [given]] of cases.entries()) {
    const call = source + '\\n;JSON.stringify({ value: ' + name + '(...' + JSON.stringify(given) + ') })';
    let result;
    try {
      result = { index, text: String(vm.runInNewContext(call, Object.create(null), options)) };
    } catch (error) {
      result = { index, error: String(error && error.message).slice(0, 200) };
    }
    process.stdout.write(JSON.stringify(result) + '\\n');
  }
});`;

/**
 * Runs code that a model wrote against the cases of its item, in a process of its own: Node's permission model without
 * files, child processes and workers, an empty environment, 64 MB of heap, one second for each case. Each case starts
 * from the code anew. Never rejects: code that throws, hangs, floods or kills its process is wrong.
 */
export async function runCode(source: string, check: Extract<EvalCheck, { kind: 'code' }>): Promise<CodeResult> {
  const { name, cases } = check;
  const flags = [permissionFlag(), `--max-old-space-size=${HEAP_MB}`, '--no-warnings', '-e', HARNESS];
  const result = await execa(process.execPath, flags, {
    input: JSON.stringify({ source, name, cases, timeout: CASE_TIMEOUT_MS }),
    env: {},
    extendEnv: false,
    timeout: PROCESS_TIMEOUT_MS,
    killSignal: 'SIGKILL',
    maxBuffer: 1_000_000,
    reject: false,
  });
  const lines = typeof result.stdout === 'string' ? result.stdout.split('\n').filter((line) => line !== '') : [];
  for (const [index, [given, wanted]] of cases.entries()) {
    const line = lines[index];
    if (line === undefined) return wrong(result.timedOut ? 'timed out' : 'the process ended early');
    const fault = faultOf(line, wanted);
    if (fault !== undefined) return wrong(`${name}(${JSON.stringify(given).slice(1, -1)}): ${fault}`);
  }
  return { kind: 'right' };
}

const wrong = (why: string): CodeResult => ({ kind: 'wrong', why });

// Node 23.5 dropped the "experimental" from the name.
const permissionFlag = (): string =>
  process.allowedNodeEnvironmentFlags.has('--permission') ? '--permission' : '--experimental-permission';

function faultOf(line: string, wanted: unknown): string | undefined {
  const { text, error } = JSON.parse(line) as { readonly text?: string; readonly error?: string };
  if (error !== undefined) return error;
  const expected = JSON.stringify({ value: wanted });
  return text === expected ? undefined : `${text?.slice(0, 80)} instead of ${expected}`;
}
