/*
 * The child process of one RKLLM model: loads the library, answers over Node's IPC channel and a byte stream. The library prints on
 * stdout and may crash or hang at any point; whoever started us reads the one and is prepared for the other.
 *
 *   load → ready ⇄ running → stopping → gone
 *   stopping (SIGTERM, or the gateway's death): abort → the run's FINISH → destroy → exit; each within a time limit,
 *   after which we kill ourselves, because exiting with a call under way hangs for ever.
 */
import { Socket } from 'node:net';
import { systemClock as clock } from '../../src/core/clock.ts';
import { GatewayError, messageOf } from '../../src/core/errors.ts';
import { renderPrompt } from './chat/render.ts';
import { type Engine, loadEngine } from './engine.ts';
import { encodeFrame, MESSAGE_FRAME, REPLY_FD } from './frames.ts';
import { generate } from './generate.ts';
import { toUnitVector } from './last-row.ts';
import { type LockWaiter, type NpuLock, openNpuLockOrNone } from './npu-lock.ts';
import { openPromptCache, type PromptCacheFiles } from './prompt-cache-files.ts';
import type { CountMessage, FromWorker, GenerateMessage, LoadMessage, RerankMessage, ToWorker } from './protocol.ts';
import { scoreDocuments } from './rerank.ts';

/** Together below the supervisor's own patience (5 s): ending by ourselves frees the NPU's memory in order. */
const FINISH_LIMIT_MS = 2_500;
const DESTROY_LIMIT_MS = 1_500;

type EmbedMessage = Extract<ToWorker, { kind: 'embed' }>;
type RunMessage = GenerateMessage | EmbedMessage | RerankMessage;

const replies = new Socket({ fd: REPLY_FD, readable: false, writable: true });

let engine: Engine | undefined;
/** Opened with the first message that names it. */
let npu: NpuLock | undefined;
let cache: PromptCacheFiles | undefined;
let loading = false;
let stopping = false;
/** The request that runs, and whether somebody has asked to end it. */
let current: { readonly id: number; aborted: boolean } | undefined;

process.on('message', (message: ToWorker) => receive(message));
process.on('disconnect', () => leave('the gateway is gone'));
process.on('SIGTERM', () => leave('asked to stop'));
// Ctrl-C reaches the whole terminal; the gateway decides when we go.
process.on('SIGINT', () => undefined);

// A stream that breaks is the gateway's death, which `disconnect` tells.
replies.on('error', () => undefined);
// What the gateway says comes over the channel; this stream must not keep a worker alive that wants to go.
replies.unref();

function send(message: FromWorker): void {
  if ('id' in message) write(MESSAGE_FRAME, JSON.stringify(message));
  // The callback takes the error of a channel that closed meanwhile, which `disconnect` tells.
  else if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}

function write(request: number, text: string): void {
  if (process.connected) replies.write(encodeFrame(request, text));
}

function receive(message: ToWorker): void {
  switch (message.kind) {
    case 'takeNpu':
      takeNpu(message.npuLock)
        .then(() => send({ kind: 'npuTaken' }))
        .catch(complain);
      return;
    case 'load':
      load(message).catch(complain);
      return;
    case 'generate':
    case 'embed':
    case 'rerank':
      answer(message).catch(complain);
      return;
    case 'count':
      send({ kind: 'counted', id: message.id, tokens: count(message) });
      return;
    case 'abort':
      if (current?.id !== message.id) return;
      current.aborted = true;
      engine?.abort();
      return;
    case 'exit':
      process.exit(1);
  }
}

/** Waits until no other program has the NPU; false where the wait was given up. */
async function takeNpu(file: string | undefined, waiter: Partial<LockWaiter> = {}): Promise<boolean> {
  npu ??= openNpuLockOrNone(file, clock, (why) => console.error(`W worker: ${why}`));
  return await npu.take({ isOver: () => stopping, onWait: () => undefined, ...waiter });
}

async function load(message: LoadMessage): Promise<void> {
  // Loading the loaded model again is no work; the library has been seen to hang over it.
  if (engine !== undefined) {
    npu?.release();
    return tellLoaded(engine);
  }
  if (!(await takeNpu(message.npuLock))) return;
  loading = true;
  try {
    engine = await loadEngine(message, clock);
    cache = openPromptCache(engine, clock);
    tellLoaded(engine);
  } catch (error) {
    send({ kind: 'loadFailed', message: messageOf(error) });
    console.error(`E worker: ${messageOf(error)}`);
  } finally {
    loading = false;
    npu?.release();
  }
}

function tellLoaded({ template, tokenizer }: Engine): void {
  const thinks = template !== undefined && template.thinking !== 'none';
  send({ kind: 'loaded', thinks, counts: tokenizer !== undefined });
}

async function answer(message: RunMessage): Promise<void> {
  const { id } = message;
  if (engine === undefined || stopping) return fail(id, new GatewayError('runtime_failed', 'the model is not loaded'));
  if (current !== undefined)
    return fail(id, new GatewayError('runtime_failed', 'the model is busy: one run at a time'));
  const mine = { id, aborted: false };
  current = mine;
  try {
    // Signs of life: that another program has the NPU is no silence of ours.
    const waiter = { isOver: () => mine.aborted || stopping, onWait: () => write(id, '') };
    if (!(await takeNpu(engine.load.npuLock, waiter))) throw new GatewayError('cancelled', 'request cancelled');
    send(await runToEnd(message, engine, () => mine.aborted));
  } catch (error) {
    // Whatever the cache holds after a failed run, nobody knows it.
    engine.kv = undefined;
    fail(id, error);
  } finally {
    current = undefined;
    npu?.release();
  }
}

function runToEnd(message: RunMessage, on: Engine, isAborted: () => boolean): Promise<FromWorker> {
  switch (message.kind) {
    case 'generate':
      return generate(message, { engine: on, cache, send, write, clock, isAborted });
    case 'embed':
      return embed(message, on, isAborted);
    case 'rerank':
      return scoreDocuments(message, on, isAborted);
  }
}

function count({ messages, tools, thinking }: CountMessage): number | undefined {
  if (engine?.template === undefined || engine.tokenizer === undefined) return undefined;
  try {
    return engine.tokenizer.count(renderPrompt(engine.template, { messages, tools, thinking }).prompt);
  } catch {
    // What cannot be rendered is refused with its reason when it is to be answered.
    return undefined;
  }
}

async function embed({ id, inputs }: EmbedMessage, on: Engine, isAborted: () => boolean): Promise<FromWorker> {
  const vectors: (readonly number[])[] = [];
  let tokens = 0;
  for (const prompt of inputs) {
    if (isAborted()) throw new GatewayError('cancelled', 'request cancelled');
    const { row, count } = await on.lastRow('hidden', prompt);
    vectors.push(toUnitVector(row));
    tokens += count;
  }
  return { kind: 'vectors', id, vectors, tokens, rssBytes: process.memoryUsage.rss() };
}

function fail(id: number, error: unknown): void {
  const known = error instanceof GatewayError ? error : undefined;
  send({
    kind: 'failed',
    id,
    code: known?.code ?? 'runtime_failed',
    message: messageOf(error),
    param: known?.details.param,
    byLibrary: known?.code === 'runtime_failed',
  });
}

function complain(error: unknown): void {
  console.error(`E worker: ${messageOf(error)}`);
}

function leave(why: string): void {
  if (stopping) return;
  stopping = true;
  console.error(`I worker: ${why}`);
  // The library cannot be interrupted while it loads, and nothing is lost.
  if (loading) killSelf();
  unload().then(() => process.exit(0), killSelf);
}

async function unload(): Promise<void> {
  if (engine === undefined) return;
  engine.abort();
  await within(FINISH_LIMIT_MS, engine.idle());
  await within(DESTROY_LIMIT_MS, engine.handle.destroy());
}

async function within(limitMs: number, work: Promise<unknown>): Promise<void> {
  const late = clock.sleep(limitMs).then(() => {
    throw new GatewayError('timeout', `the library did not answer within ${limitMs} ms`);
  });
  await Promise.race([work, late]);
}

function killSelf(): never {
  process.kill(process.pid, 'SIGKILL');
  // The signal is on its way; nothing may run meanwhile.
  for (;;);
}
