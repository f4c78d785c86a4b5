import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { countPromptTokens, type Refusal } from './chat-request.ts';
import { type ReplyWriter, refuse, type SimulatedEngine } from './engine.ts';
import { tokenId, tokensOf } from './prompt.ts';
import type { WorkerSettings } from './worker-settings.ts';

/** What a server of a simulated model needs. */
export type WorkerServerParts = {
  readonly settings: WorkerSettings;
  readonly apiKey: string;
  readonly engine: SimulatedEngine;
  /** False while the model loads. */
  readonly isLoaded: () => boolean;
};

/** llama-server's API over a simulated engine, as far as a gateway uses it. Not yet listening. */
export function createWorkerServer(parts: WorkerServerParts): Server {
  // A prompt may take hours of a slow board; who limits it is the gateway.
  const server = createServer({ requestTimeout: 0, noDelay: true }, (request, response) => {
    answer(parts, request, writerTo(response));
  });
  return server;
}

const REFUSALS = {
  loading: { code: 503, message: 'Loading model', type: 'unavailable_error' },
  key: { code: 401, message: 'Invalid API Key', type: 'authentication_error' },
  path: { code: 404, message: 'File Not Found', type: 'not_found_error' },
} as const satisfies Record<string, Refusal>;

function answer(parts: WorkerServerParts, request: IncomingMessage, writer: ReplyWriter & Leaving): void {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  if (path !== '/health' && request.headers.authorization !== `Bearer ${parts.apiKey}`) {
    refuse(REFUSALS.key, writer);
    return;
  }
  if (!parts.isLoaded()) {
    refuse(REFUSALS.loading, writer);
    return;
  }
  const asked = `${request.method} ${path}`;
  const page = PAGES[asked];
  if (page !== undefined) {
    page(parts, writer);
    return;
  }
  const post = POSTS[asked];
  if (post === undefined) {
    refuse(REFUSALS.path, writer);
    return;
  }
  readText(request, (text) => post(parts, text, writer));
}

type Leaving = {
  /** Calls `left` when the client has gone before the reply's end. */
  readonly onLeft: (left: () => void) => void;
};

function writerTo(response: ServerResponse): ReplyWriter & Leaving {
  return {
    head: (status, contentType) => {
      response.writeHead(status, { server: 'sluice-simulated', 'content-type': contentType });
    },
    write: (text) => void response.write(text),
    end: (text) => void response.end(text),
    onLeft: (left) => {
      // It may have gone while its request was still being read.
      if (response.destroyed) left();
      response.once('close', () => {
        if (!response.writableFinished) left();
      });
    },
  };
}

function readText(request: IncomingMessage, read: (text: string) => void): void {
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => read(Buffer.concat(pieces).toString('utf8')));
  // A client that leaves in the middle of its request: `close` of the reply tells.
  request.on('error', () => undefined);
}

type Page = (parts: WorkerServerParts, writer: ReplyWriter) => void;
type Post = (parts: WorkerServerParts, text: string, writer: ReplyWriter & Leaving) => void;

function json(writer: ReplyWriter, value: unknown): void {
  writer.head(200, 'application/json; charset=utf-8');
  writer.end(JSON.stringify(value));
}

const PAGES: Readonly<Record<string, Page>> = {
  'GET /health': (_, writer) => json(writer, { status: 'ok' }),
  'GET /props': ({ settings }, writer) => json(writer, propsOf(settings)),
  'GET /slots': ({ engine, settings }, writer) => {
    const context = Math.floor(settings.contextTokens / settings.slots);
    const slots = engine.slots().map(({ id, busy, tokensDone }) => ({
      id,
      n_ctx: context,
      speculative: false,
      is_processing: busy,
      next_token: [{ n_decoded: tokensDone }],
    }));
    json(writer, slots);
  },
  'GET /metrics': ({ engine }, writer) => {
    writer.head(200, 'text/plain; version=0.0.4');
    writer.end(metricsOf(engine));
  },
  'GET /v1/models': ({ settings }, writer) => {
    const entry = { id: settings.model, object: 'model', created: 0, owned_by: 'sluice-simulated' };
    json(writer, { object: 'list', data: [entry] });
  },
};

const POSTS: Readonly<Record<string, Post>> = {
  'POST /v1/chat/completions': ({ engine }, text, writer) => {
    writer.onLeft(engine.chat(text, writer));
  },
  'POST /v1/chat/completions/input_tokens': (_, text, writer) => {
    const tokens = countPromptTokens(text);
    if (typeof tokens === 'number') json(writer, { input_tokens: tokens, object: 'response.input_tokens' });
    else refuse(tokens, writer);
  },
  'POST /tokenize': (_, text, writer) => {
    const asked = parse(text) as { readonly content?: unknown; readonly with_pieces?: unknown } | undefined;
    const tokens = typeof asked?.content === 'string' ? tokensOf(asked.content) : [];
    const withPieces = asked?.with_pieces === true;
    json(writer, { tokens: tokens.map((piece) => (withPieces ? { id: tokenId(piece), piece } : tokenId(piece))) });
  },
};

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // As llama-server does: what is no request has no content.
    return undefined;
  }
}

const propsOf = ({ contextTokens, slots, model, board, speed }: WorkerSettings) => ({
  default_generation_settings: { n_ctx: Math.floor(contextTokens / slots) },
  total_slots: slots,
  model_alias: model,
  modalities: { vision: false, audio: false },
  chat_template_caps: { supports_tools: true },
  build_info: `simulated ${board}`,
  simulated: { board, speed },
});

function metricsOf(engine: SimulatedEngine): string {
  const { promptTokens, cachedTokens, outputTokens } = engine.totals();
  const rows: readonly (readonly [name: string, type: string, value: number])[] = [
    ['prompt_tokens_total', 'counter', promptTokens],
    ['prompt_tokens_cached_total', 'counter', cachedTokens],
    ['tokens_predicted_total', 'counter', outputTokens],
    ['requests_processing', 'gauge', engine.slots().filter(({ busy }) => busy).length],
    ['requests_deferred', 'gauge', engine.waiting()],
  ];
  return rows.map(([name, type, value]) => `# TYPE llamacpp:${name} ${type}\nllamacpp:${name} ${value}\n`).join('');
}
