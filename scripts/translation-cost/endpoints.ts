import type { GenerationCodec } from '../../src/dialects/codec.ts';
import { GENERATION_CODECS } from '../../src/dialects/codecs.ts';

/** One endpoint whose streams are measured. */
export type Endpoint = {
  readonly codec: GenerationCodec;
  /** A request for a stream. */
  readonly body: string;
  /** Recorded engine stream in the language its engine speaks, under `test/fixtures/dialects`. */
  readonly recorded: string;
};

const text = 'Write a short story about a lighthouse keeper who finds a message in a bottle.';
const messages = [{ role: 'user', content: text }];
const model = 'auto';

const BODIES: Readonly<Record<string, object>> = {
  '/v1/chat/completions': { model, messages, stream: true },
  '/v1/completions': { model, prompt: text, stream: true },
  '/v1/responses': { model, input: text, stream: true },
  // Longer than any stream here, because there is no request without.
  '/v1/messages': { model, messages, max_tokens: 100_000, stream: true },
  '/api/chat': { model, messages, stream: true },
  '/api/generate': { model, prompt: text, stream: true },
};

/** Every endpoint that streams an answer. Throws where one has no request to be measured with. */
export function measuredEndpoints(): readonly Endpoint[] {
  return GENERATION_CODECS.map((codec) => {
    const body = BODIES[codec.path];
    if (body === undefined) throw new Error(`give ${codec.path} a request in ${import.meta.filename}`);
    const recorded = codec.path === '/v1/completions' ? 'completions/llama-text.sse' : 'engine/llama-text.sse';
    return { codec, body: JSON.stringify(body), recorded };
  });
}
