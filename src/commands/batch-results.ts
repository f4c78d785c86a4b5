import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Command } from 'commander';
import { isEnded } from '../core/batch.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import { answerLines, type BatchLine, inOrder, readResults } from './batch-answers.ts';
import { type BatchAnswer, type BatchApi, openBatchApi } from './batch-api.ts';
import { addClientOptions, type ClientOptions } from './gateway-options.ts';

type ResultOptions = ClientOptions & { readonly output?: string; readonly errors?: true; readonly text?: true };

/** Adds `sluice batch results ID`. Ends with 1 while the batch has not ended, and where nothing was answered. */
export function registerResultsCommand(batch: Command): void {
  const command = batch
    .command('results')
    .description('print what a batch that has ended has brought, in the order of its input')
    .argument('<id>', 'id of the batch')
    .option('--output <file>', 'write it into this file')
    .option('--errors', 'the requests that failed, instead of the answers')
    .option(
      '--text',
      'answers only: line n answers line n of the input, line breaks written as \\n, empty if it failed',
    );
  addClientOptions(command)
    .addHelpText(
      'after',
      `
Without --text and --json: the output file, JSONL as OpenAI has it. With --json: one array of line, custom_id, model,
text and error, failed requests included.`,
    )
    .action(async (id: string, _: unknown, self: Command) => results(id, self.optsWithGlobals()));
}

async function results(id: string, options: ResultOptions): Promise<void> {
  if (options.text && options.json) throw new GatewayError('usage', '--text and --json exclude each other');
  const api = await openBatchApi(options);
  const batch = await api.batch(id);
  if (!isEnded(batch.status)) {
    const { total, completed, failed } = batch.request_counts;
    const how = `${batch.status}, ${completed + failed} of ${total} done`;
    const remedy = `results are there once it has ended: sluice batch status ${id} --watch`;
    throw new GatewayError('runtime_failed', `${id} is ${how}; ${remedy}`);
  }
  await write(choose(api, batch, options), options.output);
  if (batch.error_file_id !== null && !options.errors) {
    const failed = batch.status === 'completed' ? `${batch.request_counts.failed} requests` : 'the other requests';
    console.error(`sluice: ${failed} of ${id} were not answered: sluice batch results ${id} --errors`);
  }
}

function choose(api: BatchApi, batch: BatchAnswer, options: ResultOptions): AsyncIterable<string | Uint8Array> {
  const { id, output_file_id: output, error_file_id: errors } = batch;
  if (batch.status === 'failed') {
    throw new GatewayError(
      'runtime_failed',
      `nothing of ${id} was run: sluice batch status ${id} says which lines are wrong`,
    );
  }
  if (options.json) return jsonArray(options.errors ? fromList(failures(api, errors)) : everything(api, batch));
  if (options.text && options.errors) return errorTexts(failures(api, errors));
  if (options.text) return ended(answerLines(everything(api, batch)));
  if (options.errors) return contentOf(api, errors);
  if (output !== null) return contentOf(api, output);
  throw new GatewayError(
    'runtime_failed',
    `no request of ${id} was answered: sluice batch results ${id} --errors says why`,
  );
}

async function* contentOf(api: BatchApi, file: string | null): AsyncGenerator<Uint8Array> {
  if (file === null) return;
  const content = await api.content(file);
  try {
    yield* content as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw new GatewayError('runtime_failed', `${api.url} was lost in the middle of ${file}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function failures(api: BatchApi, file: string | null): Promise<readonly BatchLine[]> {
  const all: BatchLine[] = [];
  for await (const line of readResults(file ?? '', contentOf(api, file))) all.push(line);
  return all.sort((a, b) => a.line - b.line);
}

async function* everything(api: BatchApi, batch: BatchAnswer): AsyncGenerator<BatchLine> {
  const { output_file_id: output, error_file_id: errors } = batch;
  yield* inOrder(readResults(output ?? '', contentOf(api, output)), await failures(api, errors));
}

async function* fromList<Item>(items: Promise<readonly Item[]>): AsyncGenerator<Item> {
  yield* await items;
}

async function* errorTexts(lines: Promise<readonly BatchLine[]>): AsyncGenerator<string> {
  for (const { line, custom_id, error } of await lines) yield `${line} (${custom_id}): ${error}\n`;
}

async function* ended(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line}\n`;
}

async function* jsonArray(items: AsyncIterable<BatchLine>): AsyncGenerator<string> {
  let isFirst = true;
  for await (const item of items) {
    yield `${isFirst ? '[' : ','}\n${JSON.stringify(item)}`;
    isFirst = false;
  }
  yield isFirst ? '[]\n' : '\n]\n';
}

// A file is there under its name once it is whole.
async function write(pieces: AsyncIterable<string | Uint8Array>, file: string | undefined): Promise<void> {
  if (file === undefined) {
    await pipeline(Readable.from(pieces), process.stdout, { end: false }).catch((error: NodeJS.ErrnoException) => {
      // Whoever reads has seen enough, as `head` has.
      if (error.code !== 'EPIPE') throw error;
    });
    return;
  }
  const part = `${file}.part`;
  try {
    await pipeline(Readable.from(pieces), createWriteStream(part));
    await rename(part, file);
  } catch (error) {
    await rm(part, { force: true });
    if (error instanceof GatewayError) throw error;
    throw new GatewayError('store_failed', `cannot write ${file}: ${messageOf(error)}`, { cause: error });
  }
}
