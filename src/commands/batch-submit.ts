import type { Command } from 'commander';
import { systemClock } from '../core/clock.ts';
import { GatewayError } from '../core/errors.ts';
import { formatBytes, formatShare } from '../core/format.ts';
import { type BatchAnswer, type BatchApi, openBatchApi } from './batch-api.ts';
import { followToEnd } from './batch-follow.ts';
import { type BatchInput, openInput, promptsToJsonl } from './batch-input.ts';
import { addSubmitOptions, batchBody, checkSubmitOptions, givenKind, type SubmitOptions } from './batch-options.ts';
import { describeBatch, faultLines } from './batch-view.ts';
import { addClientOptions } from './gateway-options.ts';
import { createStatusLine, type StatusLine } from './status-line.ts';

/** Adds `sluice batch submit FILE`. Ends with 1 where lines cannot be used, and as `--wait` says. */
export function registerSubmitCommand(batch: Command): void {
  const command = batch
    .command('submit')
    .description('hand in requests to be run when it is time')
    .argument('<file>', 'JSONL as OpenAI has it, or plain text with one prompt per line; - for standard input');
  addClientOptions(addSubmitOptions(command))
    .addHelpText(
      'after',
      `
With --wait: 0 when every line was answered, 1 when one failed or the batch did.
Example: sluice batch submit night.jsonl --deadline 07:00 --min-quality 0.6
         sluice batch submit prompts.txt --system "Answer in one sentence." --window now --wait`,
    )
    .action(async (file: string, _: unknown, self: Command) => submit(file, self.optsWithGlobals()));
}

async function submit(file: string, options: SubmitOptions): Promise<void> {
  const input = await openInput(file, givenKind(options));
  const endpoint = options.endpoint ?? (input.kind === 'jsonl' ? input.endpoint : undefined) ?? '/v1/chat/completions';
  checkSubmitOptions(options, input.kind, endpoint);
  const api = await openBatchApi(options);
  const line = createStatusLine(process.stderr);
  const { system, maxTokens } = options;
  const shown = { ...input, pieces: showSending(input, line) };
  const pieces = input.kind === 'text' ? promptsToJsonl(shown, { endpoint, system, maxTokens }) : shown.pieces;
  const uploaded = await api.upload(filenameOf(file, input), pieces);
  const created = await createOrTakeBack(api, uploaded.id, batchBody(uploaded.id, endpoint, options));
  const batch = await untilPlanned(api, created, line);
  line.clear();
  if (batch.status === 'failed') {
    refuse(batch, input, options);
    return;
  }
  if (options.wait) {
    await followToEnd(api, batch, options);
    return;
  }
  console.log(options.json ? JSON.stringify(batch, null, 2) : describeSubmitted(batch, input));
}

const describeSubmitted = (batch: BatchAnswer, { name }: BatchInput): string => {
  const { total } = batch.request_counts;
  const count =
    batch.status === 'validating' ? 'its lines are' : total === 1 ? '1 request is' : `${total} requests are`;
  return [
    `${name}: ${count} ${batch.status === 'validating' ? 'still being checked' : 'in the queue'}`,
    ...describeBatch(batch, systemClock.nowMs()),
    `  follow it: sluice batch status ${batch.id} --watch`,
  ].join('\n');
};

function refuse(batch: BatchAnswer, { name }: BatchInput, { json }: SubmitOptions): void {
  process.exitCode = 1;
  if (json) {
    console.log(JSON.stringify(batch, null, 2));
    return;
  }
  for (const text of faultLines(name, batch.errors?.data ?? [])) console.error(text);
  console.error(`sluice: nothing of ${name} is run: mend it and submit it again`);
}

function filenameOf(file: string, { kind, name }: BatchInput): string {
  if (file === '-') return 'stdin.jsonl';
  return kind === 'text' ? `${name}.jsonl` : name;
}

// A batch that was refused leaves no file behind that nobody knows of.
async function createOrTakeBack(api: BatchApi, file: string, body: object): Promise<BatchAnswer> {
  try {
    return await api.create(body);
  } catch (error) {
    // What counts is why the batch was refused; the file goes when its time has come.
    await api.removeFile(file).catch(() => undefined);
    throw optionError(error);
  }
}

/** What the gateway calls the options. */
const OPTIONS: Readonly<Record<string, string>> = {
  completion_window: '--deadline',
  metadata: '--metadata',
  model: '--model',
  'metadata.x_deadline': '--deadline',
  'metadata.x_window': '--window',
  'metadata.x_min_quality': '--min-quality',
};

// Where an option is what the gateway refuses, that is a mistake of usage and named as the option is.
function optionError(error: unknown): unknown {
  if (!(error instanceof GatewayError)) return error;
  const { param = '' } = error.details;
  const option = OPTIONS[param];
  if (option === undefined) return error;
  return new GatewayError('usage', `${option}: ${error.message.replace(/^.* answered \d+: /, '')}`, { cause: error });
}

const SENDING_SHOWN_BYTES = 4_000_000;

async function* showSending({ name, bytes, pieces }: BatchInput, line: StatusLine): AsyncGenerator<Uint8Array> {
  let sent = 0;
  let shown = 0;
  for await (const piece of pieces) {
    sent += piece.length;
    if (process.stderr.isTTY && sent - shown > SENDING_SHOWN_BYTES) {
      shown = sent;
      const share = bytes === undefined ? '' : ` of ${formatBytes(bytes)} (${formatShare(sent / bytes)})`;
      line.show(`${name}: ${formatBytes(sent)}${share} sent`, 'sending');
    }
    yield piece;
  }
}

const CHECK_EVERY_MS = 100;
/** Fifty thousand lines take some seconds; whoever waits longer is told how to look again. */
const CHECKED_WITHIN_MS = 60_000;
/** A plan follows at once, unless the window has not opened yet. */
const PLANNED_WITHIN_MS = 1_500;

// Waits until the lines have been checked, and a moment longer for the first plan.
async function untilPlanned(api: BatchApi, created: BatchAnswer, line: StatusLine): Promise<BatchAnswer> {
  const startMs = systemClock.monotonicMs();
  let checkedMs = 0;
  for (let batch = created; ; batch = await api.batch(created.id)) {
    const waitedMs = systemClock.monotonicMs() - startMs;
    if (batch.status === 'validating') {
      checkedMs = waitedMs;
      if (waitedMs > CHECKED_WITHIN_MS) return batch;
      if (process.stderr.isTTY) line.show(`${batch.id}: its lines are being checked`, 'checking');
    } else {
      const { planned = {}, state = '' } = batch.x_router;
      const isPlanned = Object.keys(planned).length > 0 || state.startsWith('waits');
      if (batch.status !== 'in_progress' || isPlanned || waitedMs - checkedMs > PLANNED_WITHIN_MS) return batch;
    }
    await systemClock.sleep(CHECK_EVERY_MS);
  }
}
