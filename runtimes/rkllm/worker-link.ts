import type { Clock } from '../../src/core/clock.ts';
import { GatewayError } from '../../src/core/errors.ts';
import type { ModelId } from '../../src/core/ids.ts';
import type { ChildChannel } from '../../src/core/runtime.ts';
import type { LogProblem } from './files/parse-log.ts';
import { parseLogLine } from './files/parse-log.ts';
import { createFrameReader, MESSAGE_FRAME } from './frames.ts';
import type { NpuMutex, ReleaseMutex } from './npu-mutex.ts';
import type { FailedMessage, FromWorker, LoadReply, ToWorker } from './protocol.ts';
import { detailsOfCache, detailsOfLine, type WorkerDetails } from './worker-details.ts';

/** A message that belongs to a request. */
export type ReplyMessage = Extract<FromWorker, { readonly id: number }>;

/** Whoever waits for the replies of one request. */
export interface ReplyListener {
  reply(message: ReplyMessage): void;
  /** A piece of the reply as the client is to have it; none in it: only a sign of life. */
  bytes(bytes: Buffer): void;
  /** The worker is gone. */
  gone(error: GatewayError): void;
}

/** One worker as the gateway sees it: messages by request, the library's last complaint, the NPU. */
export interface WorkerLink {
  send(message: ToWorker): void;
  /** Hears what the worker says of its load; returns the way to stop. */
  onLoad(listener: (message: LoadReply) => void): () => void;
  /** A number for a request, and its listener until the request's last message. */
  open(listener: ReplyListener): number;
  /** Takes the NPU; it is given back by `release`, or when the worker ends. */
  takeNpu(signal?: AbortSignal): Promise<ReleaseMutex>;
  /** The newest error the library has printed since the last call; waits a moment, because its line may come late. */
  complaint(): Promise<LogProblem | undefined>;
  /** The worker's error with what the library said. */
  explain(message: FailedMessage): Promise<GatewayError>;
  /** What its log and its answers have told of it so far; undefined before anything has. */
  details(): WorkerDetails | undefined;
  /** Resolves when no request is under way in the worker. */
  idle(signal: AbortSignal): Promise<void>;
  close(): void;
}

/** Lines come by another pipe than messages and may be read a moment later. */
const LINE_DELAY_MS = 20;

/** Listens to a worker. */
export function linkWorker(model: ModelId, channel: ChildChannel, npu: NpuMutex, clock: Clock): WorkerLink {
  const listeners = new Map<number, ReplyListener>();
  const loads = new Set<(message: LoadReply) => void>();
  const held = new Set<ReleaseMutex>();
  let whenIdle: (() => void)[] = [];
  let nextId = 1;
  /** Those who wait for the NPU on behalf of this worker. */
  const queued = new Set<AbortController>();
  let closedBy: GatewayError | undefined;
  const { complaint, details, learn, stop: stopListening } = listenToLog(channel, clock);

  const forget = (id: number) => {
    listeners.delete(id);
    if (listeners.size > 0) return;
    const waiting = whenIdle;
    whenIdle = [];
    for (const resolve of waiting) resolve();
  };
  const onMessage = (raw: unknown) => {
    const message = raw as FromWorker;
    if (!('id' in message)) {
      for (const listener of loads) listener(message);
      return;
    }
    const listener = listeners.get(message.id);
    if (message.kind !== 'started') forget(message.id);
    if (message.kind === 'finished') learn(detailsOfCache(message.promptCache));
    listener?.reply(message);
  };
  const readFrames = createFrameReader((request, payload) => {
    if (request === MESSAGE_FRAME) onMessage(JSON.parse(payload.toString()));
    else listeners.get(request)?.bytes(payload);
  });
  const onClose = () => {
    const error = new GatewayError('runtime_failed', `the worker of ${model} ended before it had answered`);
    closedBy = error;
    for (const wait of queued) wait.abort(error);
    const waiting = [...listeners];
    for (const [id, listener] of waiting) {
      forget(id);
      listener.gone(error);
    }
    for (const release of held) release();
    held.clear();
  };
  const stops = [channel.onMessage(onMessage), channel.onBytes(readFrames), channel.onClose(onClose), stopListening];
  return {
    send: (message) => channel.send(message),
    onLoad: (listener) => {
      loads.add(listener);
      return () => loads.delete(listener);
    },
    open: (listener) => {
      const id = nextId;
      nextId += 1;
      listeners.set(id, listener);
      return id;
    },
    takeNpu: async (signal) => {
      const release = await acquireNpu(npu, queued, signal);
      // It may have ended in the very moment its turn came, and nobody would give the NPU back.
      if (closedBy !== undefined) {
        release();
        throw closedBy;
      }
      const giveBack = () => {
        held.delete(giveBack);
        release();
      };
      held.add(giveBack);
      return giveBack;
    },
    complaint,
    details,
    explain: async (message) => explained(model, message, message.byLibrary ? await complaint() : undefined),
    idle: (signal) => (listeners.size === 0 ? Promise.resolve() : untilIdle(whenIdle, signal)),
    close: () => {
      for (const stop of stops) stop();
      onClose();
    },
  };
}

function listenToLog(channel: ChildChannel, clock: Clock) {
  let problem: LogProblem | undefined;
  let details: WorkerDetails | undefined;
  const learn = (more: WorkerDetails) => {
    if (Object.keys(more).length > 0) details = { ...details, ...more };
  };
  const stop = channel.onLine((line) => {
    const fact = parseLogLine(line);
    if (fact === undefined) return;
    if (fact.kind === 'problem' && fact.severity === 'error') problem = fact;
    learn(detailsOfLine(fact));
  });
  const complaint = async () => {
    await clock.sleep(LINE_DELAY_MS);
    const said = problem;
    problem = undefined;
    return said;
  };
  return { stop, complaint, learn, details: () => details };
}

/** Waits for the NPU until the signal aborts or the worker ends, which aborts everything in `queued`. */
async function acquireNpu(
  npu: NpuMutex,
  queued: Set<AbortController>,
  signal: AbortSignal | undefined,
): Promise<ReleaseMutex> {
  const wait = new AbortController();
  const onAbort = () => wait.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  queued.add(wait);
  try {
    return await npu.acquire(wait.signal);
  } finally {
    queued.delete(wait);
    signal?.removeEventListener('abort', onAbort);
  }
}

function untilIdle(whenIdle: (() => void)[], signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    if (signal.aborted) return onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    whenIdle.push(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
  });
}

/** The worker's error, in the library's words where it printed any. */
function explained(model: ModelId, message: FailedMessage, problem: LogProblem | undefined): GatewayError {
  const param = message.param === undefined ? {} : { param: message.param };
  if (problem?.code === 'prompt_too_long') {
    return new GatewayError('context_length_exceeded', `the prompt does not fit ${model}: ${problem.message}`, {
      param: 'messages',
    });
  }
  const said = problem === undefined ? '' : `; librkllmrt says: ${problem.message}; ${problem.remedy}`;
  return new GatewayError(message.code, `${model}: ${message.message}${said}`, param);
}
