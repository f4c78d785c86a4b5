import { GatewayError } from '../../core/errors.ts';
import type { KeepPolicy } from '../../core/policy.ts';
import { readJsonObject } from '../openai/read-json.ts';
import { BOOLEAN, type Fields, INTEGER, LIST, optional, TEXT } from './fields.ts';
import { readKeepAlive } from './keep-alive.ts';
import { readMessages, withImages } from './read-messages.ts';
import { readFormat, readLogprobs, readOptions, readThink } from './read-options.ts';

/** A request in OpenAI's chat language, and what that language has no words for. */
export type DecodedOllama = {
  readonly chat: Readonly<Record<string, unknown>>;
  readonly keep: KeepPolicy | undefined;
  /** Set where there is nothing to generate: the model is to be loaded or unloaded. */
  readonly residency: 'load' | 'unload' | undefined;
  /** Paths of fields that nobody here can honour. */
  readonly ignored: readonly string[];
  /** The prompt as the model gets it, where its chat template is not to be used. */
  readonly raw: string | undefined;
};

/** Fields both endpoints read. */
const COMMON = ['model', 'stream', 'format', 'options', 'keep_alive', 'think', 'logprobs', 'top_logprobs'];
const CHAT = new Set([...COMMON, 'messages', 'tools']);
// The last three are looked at, to be refused.
const GENERATE = new Set([...COMMON, 'prompt', 'system', 'images', 'raw', 'suffix', 'template', 'context']);
/** An engine is asked nothing in this case, but routing wants a message. */
const NOTHING: readonly Fields[] = [{ role: 'user', content: '' }];

/** Reads the body of `POST /api/chat`. Throws `invalid_request` naming the field in Ollama's words. */
export function decodeOllamaChat(bytes: Buffer): DecodedOllama {
  const body = readJsonObject(bytes);
  const messages = optional<readonly unknown[]>(body, 'messages', LIST) ?? [];
  const tools = optional<readonly unknown[]>(body, 'tools', LIST) ?? [];
  return decodeCommon(body, {
    known: CHAT,
    messages: messages.length === 0 ? undefined : readMessages(messages),
    more: tools.length > 0 ? { tools } : {},
  });
}

/** Reads the body of `POST /api/generate`. Throws `invalid_request`, or `unsupported_feature` for what is not served. */
export function decodeOllamaGenerate(bytes: Buffer): DecodedOllama {
  const body = readJsonObject(bytes);
  refuseUnserved(body);
  const prompt = optional<string>(body, 'prompt', TEXT) ?? '';
  const system = optional<string>(body, 'system', TEXT) ?? '';
  const content = withImages(prompt, body);
  const messages: Fields[] = [
    ...(system === '' ? [] : [{ role: 'system', content: system }]),
    { role: 'user', content },
  ];
  const decoded = decodeCommon(body, {
    known: GENERATE,
    messages: content === '' ? undefined : messages,
    more: {},
  });
  return optional<boolean>(body, 'raw', BOOLEAN) === true ? rawOf(decoded, body, prompt) : decoded;
}

// Without a template there is no place for a system text, nor a switch for thoughts.
function rawOf(decoded: DecodedOllama, body: Fields, prompt: string): DecodedOllama {
  if (Array.isArray(body['images']) && body['images'].length > 0)
    throw unserved('images', 'a raw prompt has no place for them');
  const ignored = ['system', 'think'].filter((name) => isSaid(body[name] ?? null));
  return { ...decoded, raw: prompt, ignored: [...decoded.ignored, ...ignored] };
}

type Own = {
  readonly known: ReadonlySet<string>;
  /** Undefined where there is nothing to answer. */
  readonly messages: readonly Fields[] | undefined;
  readonly more: Fields;
};

function decodeCommon(body: Fields, own: Own): DecodedOllama {
  const options = readOptions(body);
  const keep = readKeepAlive(body);
  const model = modelOf(body);
  if (own.messages === undefined && model === 'auto') throw nothingAsked();
  const action = keep?.kind === 'never' ? 'unload' : 'load';
  return {
    chat: {
      model,
      messages: own.messages ?? NOTHING,
      // A stream is the rule here.
      stream: optional<boolean>(body, 'stream', BOOLEAN) ?? true,
      ...own.more,
      ...options.chat,
      ...readFormat(body),
      ...readThink(body),
      ...readLogprobs(body),
    },
    keep,
    residency: own.messages === undefined ? action : undefined,
    ignored: [...options.ignored, ...unknownFields(body, own.known)],
    raw: undefined,
  };
}

// Without a message a request loads the model it names.
const nothingAsked = () =>
  new GatewayError(
    'invalid_request',
    'there is nothing to answer; give messages or a prompt, or name a model to load',
    {
      param: 'model',
    },
  );

// `auto` is none of the policy's names, so its tag is nobody else's to take off.
function modelOf(body: Fields): string {
  const name = optional<string>(body, 'model', TEXT) ?? '';
  return name === '' || name === 'auto:latest' ? 'auto' : name;
}

function unknownFields(body: Fields, known: ReadonlySet<string>): readonly string[] {
  return Object.keys(body).filter((name) => !known.has(name) && isSaid(body[name]));
}

// False, null and nothing ask for nothing.
const isSaid = (value: unknown): boolean => value !== null && value !== false && value !== '';

const UNSERVED: Readonly<Record<string, string>> = {
  suffix: 'text is not filled in between prompt and suffix; send the prompt alone',
  template: "each model's own chat template is used; leave template out, or fill it in yourself and send raw: true",
  context: 'conversations are not kept as tokens; send their messages to /api/chat',
};

function refuseUnserved(body: Fields): void {
  optional(body, 'suffix', TEXT);
  optional(body, 'template', TEXT);
  const context = optional<readonly unknown[]>(body, 'context', LIST) ?? [];
  for (const token of context) optional({ token }, 'token', INTEGER, 'context');
  for (const [name, why] of Object.entries(UNSERVED)) {
    const value = name === 'context' && context.length === 0 ? null : body[name];
    if (value === undefined || !isSaid(value)) continue;
    throw unserved(name, why);
  }
}

const unserved = (name: string, why: string) =>
  new GatewayError('unsupported_feature', `${name} is not supported: ${why}`, { param: name });
