import { access, constants, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { winnerEdits } from '../bench/tune/winner-edits.ts';
import { systemClock } from '../core/clock.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import { editPolicyText } from '../policy/edit-policy.ts';
import { lineDiff } from '../policy/line-diff.ts';
import { readPolicyText } from '../policy/load.ts';
import { replacePolicyFile } from '../policy/replace-policy.ts';
import type { TuneRun } from '../store/tune-table.ts';

/** What applying a winner needs of the command line. */
export type ApplyOptions = { readonly policy: string; readonly yes?: true };

/** Throws `usage` where nobody could answer the question: better before an hour of measuring than after. */
export function checkCanAsk({ yes }: ApplyOptions): void {
  if (yes || process.stdin.isTTY) return;
  throw new GatewayError(
    'usage',
    '--apply asks before it changes the policy, and there is no terminal to ask on: add --yes',
  );
}

/**
 * Throws what would keep a winner of this model from being written: settings that stand elsewhere (an alias), a folder
 * that cannot be written. Better known before an hour of measuring, too.
 */
export async function checkCanEdit(file: string, model: ModelId): Promise<void> {
  // Tried with a key no policy has, and thrown away.
  editPolicyText(await readPolicyText(file), [{ path: ['models', model, 'settings', 'tuned'], value: 1 }]);
  const folder = dirname(await realpath(file));
  await access(folder, constants.W_OK).catch((cause: unknown) => {
    throw new GatewayError('usage', `--apply cannot write to ${folder}: ${messageOf(cause)}`, { cause });
  });
}

/**
 * Writes a run's winner into the policy file, with its diff shown and a question asked before (unless `yes`); says what
 * was done on stderr. Changes nothing where the settings in force are to stay. Ends the process with 1 on a "no".
 */
export async function applyWinner(run: TuneRun, options: ApplyOptions): Promise<void> {
  const before = await readPolicyText(options.policy);
  const { edits, text } = winnerEdits(before, options.policy, run);
  if (edits.length === 0) {
    console.error(`\nnothing to apply: ${run.model} keeps its settings`);
    return;
  }
  console.error(`\n${options.policy}:\n${lineDiff(before, text)}\n`);
  if (options.yes !== true && !(await isAgreed(`write this to ${options.policy}? [y/N] `))) {
    console.error('nothing was written');
    process.exitCode = 1;
    return;
  }
  const stamp = `${new Date(systemClock.nowMs()).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
  const backup = await replacePolicyFile({ file: options.policy, before, after: text, stamp });
  console.error(`written; the old file is ${backup}`);
  console.error(`figures belong to settings: "sluice bench ${run.model}" measures the new ones`);
}

async function isAgreed(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}
