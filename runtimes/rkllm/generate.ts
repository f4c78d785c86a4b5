import { StringDecoder } from 'node:string_decoder';
import type { Clock } from '../../src/core/clock.ts';
import { GatewayError } from '../../src/core/errors.ts';
import { kvAfterRun, planHistory } from './chat/history.ts';
import { finishReason, type ReplyEnd } from './chat/openai-encode.ts';
import { createOutputParser, type OutputParser } from './chat/parse-output.ts';
import { type ChatTemplate, renderPrompt } from './chat/render.ts';
import type { Engine, RunEnd } from './engine.ts';
import { conversationKey, nativeTurn } from './native-chat.ts';
import type { PromptCacheFiles } from './prompt-cache-files.ts';
import type { FinishedMessage, FromWorker, GenerateMessage } from './protocol.ts';
import { createReplyWriter } from './reply-writer.ts';

/** What a generation is given beside its request. */
export type GenerationParts = {
  readonly engine: Engine;
  readonly cache: PromptCacheFiles | undefined;
  readonly send: (message: FromWorker) => void;
  /** A piece of a request's reply; an empty one says that the run lives. */
  readonly write: (id: number, text: string) => void;
  readonly clock: Clock;
  /** True once somebody has asked to end this request. */
  readonly isAborted: () => boolean;
};

/** A prompt on its way in, and how to read what comes out. */
type Turn = {
  readonly prompt: string;
  readonly role: 'user' | 'tool';
  readonly startsThinking: boolean;
  readonly isRendered: boolean;
};

/**
 * Answers one conversation: renders it, goes on from the KV cache where that holds its beginning, and sends pieces of
 * the answer as they come. Rejects with a GatewayError where it cannot.
 */
export async function generate(request: GenerateMessage, parts: GenerationParts): Promise<FinishedMessage> {
  const { engine, send } = parts;
  const turn = await takeTurn(request, engine);
  const promptTokens = turn.isRendered ? engine.tokenizer?.count(turn.prompt) : undefined;
  checkLength(promptTokens, engine);
  const lora = request.lora === undefined ? {} : { lora: request.lora };
  const plan = planHistory(engine.kv, { prompt: turn.prompt, ...lora });
  const before = engine.kv;
  // Until the run has ended well nobody knows what the cache holds.
  engine.kv = undefined;
  // The library's own template puts a turn's text between parts we do not see: then the cache is its own affair.
  const appends = turn.isRendered ? plan.kind === 'append' : turn.role === 'tool';
  if (!appends) await engine.handle.clearKvCache();
  if (turn.isRendered && !appends) await parts.cache?.prepare(request);
  send({ kind: 'started', id: request.id, promptTokens });
  const output = createOutput(request, turn, parts);
  if (parts.isAborted()) return finished(request, { end: ABORTED, reason: 'aborted', promptTokens });
  const end = await engine.run(
    {
      mode: 'generate',
      prompt: turn.isRendered ? plan.text : turn.prompt,
      role: turn.role,
      enableThinking: request.thinking ?? true,
      // Also in a first run: it leaves its keys and values for the next turn, which the clear above undoes otherwise.
      keepHistory: true,
      lora: request.lora,
      savePromptCache: undefined,
      sampling: request.sampling,
      maxNewTokens: request.maxTokens,
    },
    output.hooks,
  );
  output.end();
  const cutShort = end.aborted;
  engine.kv = turn.isRendered
    ? kvAfterRun(before, plan, {
        output: output.raw(),
        ended: !cutShort,
        tokens: end.perf.prefillTokens + end.perf.generateTokens,
        ...lora,
      })
    : { text: conversationKey(request.messages), ended: !cutShort, lora: request.lora };
  const keptTokens = appends && turn.isRendered ? before?.tokens : undefined;
  const figures = { end, reason: output.reason(parts.isAborted()), promptTokens, keptTokens };
  const message = { ...finished(request, figures), promptCache: parts.cache?.stats() };
  output.close(message);
  return message;
}

const ABORTED: RunEnd = {
  perf: { prefillMs: 0, prefillTokens: 0, generateMs: 0, generateTokens: 0, memoryMb: 0 },
  aborted: true,
};

async function takeTurn(request: GenerateMessage, engine: Engine): Promise<Turn> {
  const { template } = engine;
  if (template === undefined) {
    const { prompt, role } = await nativeTurn(request, engine);
    return { prompt, role, startsThinking: false, isRendered: false };
  }
  const { messages, tools, thinking } = request;
  return { ...renderPrompt(template, { messages, tools, thinking }), role: 'user', isRendered: true };
}

function checkLength(promptTokens: number | undefined, { load }: Engine): void {
  if (promptTokens === undefined || promptTokens < load.contextTokens) return;
  const figures = `${promptTokens} prompt tokens, context length ${load.contextTokens}`;
  throw new GatewayError('context_length_exceeded', `the prompt does not fit: ${figures}`, { param: 'messages' });
}

function finished(
  request: GenerateMessage,
  run: {
    readonly end: RunEnd;
    readonly reason: FinishedMessage['reason'];
    readonly promptTokens: number | undefined;
    /** What the cache held of the conversation, by the library's own counts. */
    readonly keptTokens?: number | undefined;
  },
): FinishedMessage {
  const { perf } = run.end;
  const counted = run.promptTokens === undefined ? undefined : Math.max(0, run.promptTokens - perf.prefillTokens);
  const cached = counted ?? run.keptTokens;
  return {
    kind: 'finished',
    id: request.id,
    reason: run.reason,
    prefillMs: perf.prefillMs,
    prefillTokens: perf.prefillTokens,
    decodeMs: perf.generateMs,
    // Below 1.3 the run goes on for a moment after the last token we pass on.
    outputTokens: Math.min(perf.generateTokens, request.maxTokens ?? Number.POSITIVE_INFINITY),
    memoryMb: perf.memoryMb,
    cachedTokens: cached,
    promptCache: undefined,
  };
}

function endOf(message: FinishedMessage): ReplyEnd {
  return {
    // Aborted by itself only when the client is gone, and then nobody reads this.
    reason: message.reason === 'aborted' ? 'stop' : message.reason,
    figures: {
      promptTokens: message.prefillTokens,
      prefillMs: message.prefillMs,
      cachedTokens: message.cachedTokens ?? 0,
      outputTokens: message.outputTokens,
      decodeMs: message.decodeMs,
    },
  };
}

/** Turns the library's pieces into deltas, and ends the run where the request's limits say so. */
function createOutput(request: GenerateMessage, turn: Turn, parts: GenerationParts) {
  const { engine } = parts;
  const decoder = new StringDecoder('utf8');
  const parser = createParser(request, turn, engine.template);
  const write = (text: string) => parts.write(request.id, text);
  const writer = createReplyWriter(request.reply, write, parts.clock);
  const state = { raw: '', tokens: 0, isOver: false, hitLimit: false };
  const limit = request.maxTokens ?? Number.POSITIVE_INFINITY;
  // 1.3 is told the limit and stops by itself, which leaves a cache to go on from; only one token more is too many.
  const tooMany = engine.load.profile === '1.3' ? limit + 1 : limit;
  const countToken = () => {
    state.tokens += 1;
    if (state.tokens < limit) return;
    state.hitLimit = true;
    if (state.tokens >= tooMany) stop();
  };
  const stop = () => {
    state.isOver = true;
    engine.abort();
  };
  const push = (text: string) => {
    state.raw += text;
    writer.add(parser.push(text));
  };
  return {
    hooks: {
      onText: (bytes: Buffer) => {
        if (state.isOver || parts.isAborted()) return;
        if (state.tokens < limit) push(decoder.write(bytes));
        if (parser.stopped) stop();
        else if (bytes.length > 0) countToken();
      },
      onToken: () => {
        if (!state.isOver) countToken();
      },
    },
    end: () => {
      if (!parser.stopped) push(decoder.end());
      writer.add(parser.end());
    },
    /** The reply's own end, with the figures of the run. */
    close: (message: FinishedMessage) => writer.end(endOf(message)),
    raw: () => state.raw,
    reason: (isAborted: boolean): FinishedMessage['reason'] => {
      if (isAborted) return 'aborted';
      return finishReason({ hitTokenLimit: state.hitLimit && !parser.stopped, callCount: parser.callCount });
    },
  };
}

function createParser(request: GenerateMessage, turn: Turn, template: ChatTemplate | undefined): OutputParser {
  return createOutputParser({
    thinking: template === undefined || template.thinking !== 'none',
    startsThinking: turn.startsThinking,
    tools: request.tools,
    toolFormat: template?.toolFormat ?? 'hermes',
    stop: request.stop,
    // Of the reply's own id: a worker that has been replaced counts its runs anew, and a conversation outlives it.
    callIdPrefix: `call_${request.reply.id.replace('chatcmpl-', '')}_`,
  });
}
