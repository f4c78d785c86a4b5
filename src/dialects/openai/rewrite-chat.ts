import type { ModelId } from '../../core/ids.ts';
import type { DecodedChat } from './decode.ts';

const KEY = Buffer.from('"model"');
/** What may stand between a key and its value. */
const BETWEEN = /^\s*:\s*$/;
/** Start of any letter of that key written as an escape: they are U+0064 to U+006F. */
const ESCAPED_LETTER = Buffer.from('\\u006');

/**
 * The body as the engine gets it: the model's id in place of what the client wrote (some llama-server builds repeat
 * it in the reply), and `max_tokens` where the client's policy sets a bound the request does not keep. Everything
 * else stays as it came, byte for byte in the common case.
 */
export function rewriteChat(decoded: DecodedChat, model: ModelId, maxTokens: number | undefined): Buffer {
  const mustBound = maxTokens !== undefined && decoded.facts.maxTokens !== maxTokens;
  const spliced = mustBound ? undefined : spliceModel(decoded, model);
  if (spliced !== undefined) return spliced;
  const { max_completion_tokens: _, n_predict: __, ...body } = decoded.body;
  const bound = mustBound ? { ...body, max_tokens: maxTokens } : decoded.body;
  return Buffer.from(JSON.stringify({ ...bound, model }));
}

// The byte sequence `"model"` is a key or a whole string, never part of a longer one; where it stands once and is
// followed by the value we parsed, it is the top-level key: unless that one is spelled with escapes, as no encoder does.
function spliceModel({ bytes, body }: DecodedChat, model: ModelId): Buffer | undefined {
  const written = body['model'];
  if (written === model || written === undefined) return bytes;
  const key = bytes.indexOf(KEY);
  if (key === -1 || bytes.includes(ESCAPED_LETTER)) return undefined;
  if (bytes.indexOf(KEY, key + KEY.length) !== -1) return undefined;
  const value = Buffer.from(JSON.stringify(written));
  const start = bytes.indexOf(value, key + KEY.length);
  if (start === -1 || !BETWEEN.test(bytes.toString('latin1', key + KEY.length, start))) return undefined;
  return Buffer.concat([
    bytes.subarray(0, start),
    Buffer.from(JSON.stringify(model)),
    bytes.subarray(start + value.length),
  ]);
}
