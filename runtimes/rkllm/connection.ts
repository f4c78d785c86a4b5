import type { Clock } from '../../src/core/clock.ts';
import { GatewayError, messageOf } from '../../src/core/errors.ts';
import type { ModelPolicy } from '../../src/core/policy.ts';
import type { ChildChannel, Exchange, ReplySink, RunningManifest, RuntimeConnection } from '../../src/core/runtime.ts';
import type { DeadlineRules, MeasuredRates } from './deadlines.ts';
import { refuseExchange, startWorkerExchange } from './exchange.ts';
import { startJsonExchange } from './json-exchange.ts';
import type { NpuMutex, ReleaseMutex } from './npu-mutex.ts';
import type { CountMessage, LoadMessage, LoadReply, ToWorker } from './protocol.ts';
import { readWorkerRequest } from './read-request.ts';
import { createWear } from './wear.ts';
import { linkWorker, type WorkerLink } from './worker-link.ts';
import { manifestOf } from './worker-manifest.ts';

/** What a connection needs. */
export type ConnectionDeps = {
  readonly clock: Clock;
  readonly npu: NpuMutex;
  readonly rules: DeadlineRules;
  /** What is known of the model's speed, for time limits. */
  readonly rates: () => MeasuredRates;
  /** How far the worker's memory may grow, bytes; as in `wear.ts` where not given. */
  readonly growthBytesMax?: number;
};

/** What an exchange shares with its connection. */
export type ConnectionParts = ConnectionDeps & {
  readonly model: ModelPolicy;
  readonly link: WorkerLink;
  /** The worker does not answer: from now on it is good for nothing. */
  readonly onHang: () => void;
  /** An embedding or a rerank has ended; resident memory of the worker, bytes. */
  readonly onRows: (rssBytes: number) => void;
};

const CANARY_BODY = JSON.stringify({ messages: [{ role: 'user', content: 'ok' }], max_tokens: 1 });

/** Opens the way to a worker that was started for this load. */
export function connectWorker(
  model: ModelPolicy,
  load: LoadMessage,
  channel: ChildChannel,
  deps: ConnectionDeps,
): RuntimeConnection {
  const link = linkWorker(model.id, channel, deps.npu, deps.clock);
  const wear = createWear(load.profile, deps.growthBytesMax);
  let hung = false;
  const parts: ConnectionParts = { ...deps, model, link, onHang: () => (hung = true), onRows: wear.countRows };
  const exchange = (path: string, body: Buffer | string, sink: ReplySink): Exchange => {
    try {
      const request = readWorkerRequest(path, body, model, load.profile);
      if (request.kind === 'chat' && request.format !== undefined) {
        return startJsonExchange(parts, request, request.format, sink);
      }
      return startWorkerExchange(parts, request, sink);
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      return refuseExchange(error, sink);
    }
  };
  let release: ReleaseMutex | undefined;
  const manifest = listenToLoad(link, load, model);
  const countTokens = async (body: Buffer | string, signal: AbortSignal) => {
    const request = readWorkerRequest('/v1/chat/completions', body, model, load.profile);
    return request.kind === 'chat' ? countPrompt(link, request.message, signal) : undefined;
  };
  return {
    turn: async (signal) => {
      release = await link.takeNpu(signal);
      if (load.npuLock !== undefined) await ask(link, { kind: 'takeNpu', npuLock: load.npuLock }, signal);
    },
    ready: async (signal) => loadModel(link, load, release ?? (await link.takeNpu(signal)), signal),
    details: () => link.details(),
    manifest,
    countTokens,
    worn: wear.judge,
    canary: async (signal) => {
      if (hung) throw new GatewayError('runtime_failed', `the worker of ${model.id} hangs`);
      await generateOne(exchange, signal);
    },
    idle: (signal) => link.idle(signal),
    exchange,
    close: () => link.close(),
  };
}

/** What the newest load has told; the same object until more is known. */
function listenToLoad(link: WorkerLink, load: LoadMessage, model: ModelPolicy): () => RunningManifest | undefined {
  let loaded: Extract<LoadReply, { kind: 'loaded' }> | undefined;
  let known: RunningManifest | undefined;
  link.onLoad((reply) => {
    if (reply.kind === 'loaded') loaded = reply;
  });
  return () => {
    if (loaded === undefined) return undefined;
    const mayThink = model.settings.reasoningBudget !== 0;
    // The library's lines come by another pipe and may be read a moment after the worker's word.
    const now = manifestOf(load, { loaded, details: link.details(), mayThink });
    if (known?.contextTokens !== now.contextTokens) known = now;
    return known;
  };
}

type Conversation = Pick<CountMessage, 'messages' | 'tools' | 'thinking'>;

function countPrompt(link: WorkerLink, conversation: Conversation, signal: AbortSignal): Promise<number | undefined> {
  const { messages, tools, thinking } = conversation;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const id = link.open({
      reply: (message) => {
        signal.removeEventListener('abort', onAbort);
        resolve(message.kind === 'counted' ? message.tokens : undefined);
      },
      bytes: () => undefined,
      gone: reject,
    });
    link.send({ kind: 'count', id, messages, tools, thinking });
  });
}

/** Has the worker load the model, alone on the NPU, which is given back; once more with the file's own context where ours was too long. */
async function loadModel(
  link: WorkerLink,
  load: LoadMessage,
  release: ReleaseMutex,
  signal: AbortSignal,
): Promise<void> {
  // Not released when this fails: the NPU is free only when the process is gone, and the link sees to that.
  const first = await tryLoad(link, load, signal);
  if (first !== undefined) {
    const problem = await link.complaint();
    const contextMax = problem?.code === 'context_too_long' ? problem.contextMax : undefined;
    const again =
      contextMax === undefined || contextMax >= load.contextTokens
        ? first
        : await tryLoad(link, { ...load, contextTokens: contextMax }, signal);
    // The process ends, and its last lines say why.
    if (again !== undefined) {
      link.send({ kind: 'exit' });
      await untilAborted(signal);
    }
  }
  release();
}

/** Undefined when it worked, else why not. Rejects with the signal's reason. */
async function tryLoad(link: WorkerLink, load: LoadMessage, signal: AbortSignal): Promise<string | undefined> {
  const reply = await ask(link, load, signal);
  return reply.kind === 'loadFailed' ? reply.message : undefined;
}

/** What the worker answers to a message before it takes requests. Rejects with the signal's reason. */
function ask(link: WorkerLink, message: ToWorker, signal: AbortSignal): Promise<LoadReply> {
  return new Promise((resolve, reject) => {
    const finish = (settle: () => void) => {
      stop();
      signal.removeEventListener('abort', onAbort);
      settle();
    };
    const onAbort = () => finish(() => reject(signal.reason));
    const stop = link.onLoad((reply) => finish(() => resolve(reply)));
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    link.send(message);
  });
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

type StartExchange = (path: string, body: string, sink: ReplySink) => Exchange;

function generateOne(start: StartExchange, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const exchange = start('/v1/chat/completions', CANARY_BODY, {
      head: () => undefined,
      chunk: () => true,
      end: resolve,
      failed: (error) => reject(new GatewayError('runtime_failed', messageOf(error), { cause: error })),
    });
    const onAbort = () => {
      exchange.abort();
      reject(signal.reason);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
