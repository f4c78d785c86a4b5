import type { Clock } from '../../src/core/clock.ts';
import { drawLogNormal, seededRandom } from '../../src/core/random.ts';
import { type ChatRequest, type Refusal, readChatRequest } from './chat-request.ts';
import { type Generation, startGeneration } from './generation.ts';
import { createReplies, type ReplyHead } from './replies.ts';
import { createSlots, type Slot, type TakenSlot } from './slots.ts';
import type { WorkerSettings } from './worker-settings.ts';

/** Where a reply goes. After `end` nothing more is called. */
export type ReplyWriter = {
  readonly head: (status: number, contentType: string) => void;
  readonly write: (text: string) => void;
  readonly end: (text: string) => void;
};

/** What an engine has done since it was loaded. */
export type EngineTotals = { promptTokens: number; cachedTokens: number; outputTokens: number };

/** One model that generates nothing, in the time it would take. */
export interface SimulatedEngine {
  /** Answers a chat request; returns the way to leave it. */
  chat(body: string, writer: ReplyWriter): () => void;
  slots(): readonly { readonly id: number; readonly busy: boolean; readonly tokensDone: number }[];
  waiting(): number;
  totals(): Readonly<EngineTotals>;
}

/** An engine in the time of `clock`, which runs at the speed of the settings. */
export function createEngine(settings: WorkerSettings, clock: Clock): SimulatedEngine {
  const random = seededRandom(settings.seed);
  const slots = createSlots(settings.slots);
  const replies = createReplies(settings);
  const running = new Map<Slot, Generation>();
  const totals: EngineTotals = { promptTokens: 0, cachedTokens: 0, outputTokens: 0 };
  const loadedMs = clock.monotonicMs();

  const factorsOf = (request: ChatRequest): { readonly prefill: number; readonly decode: number } => {
    const { drift, noiseSigma } = settings;
    const drifted = drift !== undefined && clock.monotonicMs() - loadedMs >= drift.afterMs ? drift.factor : 1;
    // Drawn in any case: a request that brings its own luck does not change that of those after it.
    const [prefill, decode] = [drawLogNormal(random, 1, noiseSigma), drawLogNormal(random, 1, noiseSigma)];
    const luck = request.factors ?? { prefill, decode };
    return { prefill: luck.prefill * drifted, decode: luck.decode * drifted };
  };
  const begin = (request: ChatRequest, { slot, cachedTokens }: TakenSlot, writer: ReplyWriter): (() => void) => {
    const head: ReplyHead = { id: `chatcmpl-${clock.randomHex(12)}`, createdSec: Math.floor(clock.nowMs() / 1000) };
    const factors = factorsOf(request);
    const plan = {
      service: settings.service,
      promptTokens: request.prompt.length,
      cachedTokens,
      outputTokens: request.outputTokens,
      prefillFactor: factors.prefill,
      decodeFactor: factors.decode,
      cancelTokens: settings.cancelTokens,
    };
    const giveBack = (held: readonly string[]) => {
      running.delete(slot);
      slots.give(slot, held);
    };
    const written = (count: number) => Array.from({ length: count }, (_, index) => replies.token(request, index));
    let opened = false;
    const onTokens = (from: number, to: number) => {
      if (!request.stream) return;
      if (!opened) writer.head(200, 'text/event-stream');
      writer.write((opened ? '' : replies.opening(head)) + replies.tokens(request, head, { from, to }));
      opened = true;
    };
    const onEnd = () => {
      const run = { cachedTokens, ...generation.timings() };
      totals.promptTokens += request.prompt.length - cachedTokens;
      totals.cachedTokens += cachedTokens;
      totals.outputTokens += request.outputTokens;
      giveBack([...request.prompt, ...written(request.outputTokens)]);
      if (!opened) writer.head(200, request.stream ? 'text/event-stream' : 'application/json; charset=utf-8');
      if (request.stream) writer.end((opened ? '' : replies.opening(head)) + replies.closing(request, head, run));
      else writer.end(replies.whole(request, head, run));
    };
    const generation = startGeneration(
      plan,
      { tokens: onTokens, end: onEnd },
      { clock, speed: settings.speed, streamed: request.stream },
    );
    running.set(slot, generation);
    return () => {
      const done = generation.tokensDone();
      // How far a broken-off prompt was read nobody knows to the token; what was there before is sure.
      const held = done === 0 ? request.prompt.slice(0, cachedTokens) : [...request.prompt, ...written(done)];
      generation.cancel(() => giveBack(held));
    };
  };
  return {
    chat: (body, writer) => {
      const request = readChatRequest(body, settings, random);
      if ('code' in request) {
        refuse(request, writer);
        return () => undefined;
      }
      let leave: () => void = () => undefined;
      const cancelWait = slots.take(request.prompt, (taken) => {
        leave = begin(request, taken, writer);
      });
      return () => {
        cancelWait();
        leave();
      };
    },
    slots: () =>
      slots.all.map((slot) => ({ id: slot.id, busy: slot.busy, tokensDone: running.get(slot)?.tokensDone() ?? 0 })),
    waiting: slots.waiting,
    totals: () => totals,
  };
}

/** Answers with an error in llama-server's form. */
export function refuse(error: Refusal, writer: ReplyWriter): void {
  writer.head(error.code, 'application/json; charset=utf-8');
  writer.end(JSON.stringify({ error }));
}
