import { BOOLEAN, between, type Check, type Fields, INTEGER, invalid, OBJECT, optional } from './fields.ts';

/** What a request's settings come to. */
export type ReadOptions = {
  /** Fields of the chat completion. */
  readonly chat: Fields;
  /** Paths of what nobody here can honour, such as `options.num_ctx`: it is set when a model is started. */
  readonly ignored: readonly string[];
};

const stops: Check = {
  test: (value) =>
    typeof value === 'string' || (Array.isArray(value) && value.every((text) => typeof text === 'string')),
  expected: 'a string or an array of strings',
};
const atLeast = (low: number): Check => ({
  test: (value) => typeof value === 'number' && Number.isFinite(value) && value >= low,
  expected: `a number of at least ${low}`,
});

/** Options that engines take under the same name. */
const OPTIONS: Readonly<Record<string, Check>> = {
  temperature: between(0, 2),
  top_k: INTEGER,
  top_p: between(0, 1),
  min_p: between(0, 1),
  typical_p: between(0, 1),
  seed: INTEGER,
  stop: stops,
  repeat_penalty: atLeast(0),
  repeat_last_n: INTEGER,
  presence_penalty: between(-2, 2),
  frequency_penalty: between(-2, 2),
  mirostat: between(0, 2),
  mirostat_tau: atLeast(0),
  mirostat_eta: atLeast(0),
};

/** Reads `options`. Throws `invalid_request` naming the option. */
export function readOptions(body: Fields): ReadOptions {
  const options = optional<Fields>(body, 'options', OBJECT) ?? {};
  const chat: Record<string, unknown> = {};
  const ignored: string[] = [];
  for (const name of Object.keys(options)) {
    const at = `options.${name}`;
    const check = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined;
    if (name === 'num_predict') {
      const bound = optional<number>(options, name, INTEGER, at);
      // Zero and less mean no bound.
      if (bound !== undefined && bound > 0) chat['max_tokens'] = bound;
    } else if (check === undefined) {
      if (options[name] !== null) ignored.push(at);
    } else {
      const value = optional(options, name, check, at);
      if (value !== undefined && !isEmptyList(value)) chat[name] = value;
    }
  }
  return { chat, ignored };
}

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

/** `format`: `json`, or the schema the answer must keep to; empty means free text. Throws `invalid_request`. */
export function readFormat(body: Fields): Fields {
  const format = body['format'];
  if (format === undefined || format === null || format === '') return {};
  if (format === 'json') return { response_format: { type: 'json_object' } };
  if (OBJECT.test(format))
    return { response_format: { type: 'json_schema', json_schema: { name: 'format', schema: format } } };
  throw invalid('format', '"json" or a JSON schema', format);
}

const EFFORTS: Readonly<Record<string, string>> = { low: 'low', medium: 'medium', high: 'high', max: 'high' };

/** `think`: whether a model that can think before it answers does, and how hard. Throws `invalid_request`. */
export function readThink(body: Fields): Fields {
  const think = body['think'];
  if (think === undefined || think === null || think === '') return {};
  if (typeof think === 'boolean') return { chat_template_kwargs: { enable_thinking: think } };
  const effort = typeof think === 'string' && Object.hasOwn(EFFORTS, think) ? EFFORTS[think] : undefined;
  if (effort === undefined) throw invalid('think', 'true, false, "low", "medium", "high" or "max"', think);
  return {
    reasoning_effort: effort,
    chat_template_kwargs: { enable_thinking: true, reasoning_effort: effort },
  };
}

/** `logprobs` and `top_logprobs`. Throws `invalid_request`. */
export function readLogprobs(body: Fields): Fields {
  const wanted = optional<boolean>(body, 'logprobs', BOOLEAN);
  const top = optional<number>(body, 'top_logprobs', between(0, 20));
  return wanted === true ? { logprobs: true, ...(top !== undefined && { top_logprobs: top }) } : {};
}
