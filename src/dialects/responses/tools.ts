import { type Fields, fieldsAt, given, isFields, listAt, refusal, textAt, unsupported, wrongType } from './fields.ts';

/** How a call the model makes is written for the client. */
export type CallForm = {
  readonly kind: 'function' | 'custom';
  /** The tool's name in the client's words. */
  readonly name: string;
  readonly namespace: string | undefined;
};

/** The tools of a request in the engines' words. */
export type DecodedTools = {
  /** Undefined where the model has nothing to call. */
  readonly chat: readonly object[] | undefined;
  /** OpenAI's chat form; undefined = as the engine likes. */
  readonly choice: string | object | undefined;
  /** By the name the model knows the tool by. */
  readonly forms: ReadonlyMap<string, CallForm>;
  /** Fields that are not honoured, such as `tools[3] (web_search)`. */
  readonly ignored: readonly string[];
};

/**
 * What agents attach to every request and can do without (Codex: `web_search`, `image_generation`, `tool_search`): left
 * out and said so, because refusing them would refuse the agent. The model cannot call what it is not told of.
 */
const LEFT_OUT = /^(web_search|image_generation|tool_search)/;

/**
 * Reads `tools` and `tool_choice`. A function stays a function; a `custom` tool becomes a function with one string; the
 * members of a `namespace` become functions of their own. Throws `unsupported_feature` for a tool that OpenAI's servers
 * would run themselves, `invalid_request` for what is no tool.
 */
export function decodeTools(body: Fields): DecodedTools {
  const seen: Seen = { chat: new Map(), forms: new Map(), ignored: [] };
  const tools = given(body['tools'], 'tools', listAt) ?? [];
  for (const [index, tool] of tools.entries()) readTool(tool, `tools[${index}]`, undefined, seen);
  const choice = readChoice(body['tool_choice'], seen);
  if (seen.chat.size === 0) return { ...seen, chat: undefined, choice: undefined };
  return { ...seen, chat: [...seen.chat.values()], choice };
}

/** The name a model knows a tool by; both OpenAI's own and Codex's namespaces may end in the two lines already. */
export function chatName(namespace: string | undefined, name: string): string {
  if (namespace === undefined || namespace === '') return name;
  return namespace.endsWith('__') ? `${namespace}${name}` : `${namespace}__${name}`;
}

/** The field under which a custom tool's text stands in the arguments of the function it has become. */
export const CUSTOM_INPUT = 'input';

type Seen = {
  /** By name, in the client's order. */
  chat: Map<string, object>;
  readonly forms: Map<string, CallForm>;
  readonly ignored: string[];
};

function readTool(value: unknown, at: string, namespace: string | undefined, seen: Seen): void {
  const tool = fieldsAt(value, at);
  const type = textAt(tool['type'], `${at}.type`);
  if (type === 'function' || type === 'custom') {
    const name = textAt(tool['name'], `${at}.name`);
    const known = chatName(namespace, name);
    const described = type === 'function' ? functionOf(tool, at) : customOf(tool, at, seen);
    seen.chat.set(known, { type: 'function', function: { name: known, ...described } });
    seen.forms.set(known, { kind: type, name, namespace });
  } else if (type === 'namespace' && namespace === undefined) {
    const name = textAt(tool['name'], `${at}.name`);
    const members = listAt(tool['tools'], `${at}.tools`);
    for (const [index, member] of members.entries()) readTool(member, `${at}.tools[${index}]`, name, seen);
  } else if (LEFT_OUT.test(type)) {
    seen.ignored.push(`${at} (${type})`);
  } else {
    throw unsupported(
      `${at}.type`,
      `${at} is of type ${JSON.stringify(type.slice(0, 80))}, which nothing here can run; tools of type function, custom and namespace are called by the model and run by you`,
    );
  }
}

function functionOf(tool: Fields, at: string): object {
  const description = given(tool['description'], `${at}.description`, textAt);
  const parameters = given(tool['parameters'], `${at}.parameters`, fieldsAt);
  return {
    ...(description !== undefined && { description }),
    parameters: parameters ?? { type: 'object', properties: {} },
    ...(typeof tool['strict'] === 'boolean' && { strict: tool['strict'] }),
  };
}

// Engines have no calls with free text, so the text becomes the one argument. Its grammar can only be told to the model.
function customOf(tool: Fields, at: string, seen: Seen): object {
  const description = given(tool['description'], `${at}.description`, textAt) ?? '';
  const format = given(tool['format'], `${at}.format`, fieldsAt);
  let rule = '';
  if (format?.['type'] === 'grammar') {
    const definition = textAt(format['definition'], `${at}.format.definition`);
    const syntax = textAt(format['syntax'], `${at}.format.syntax`);
    rule = `\n\nThe text must match this ${syntax} grammar:\n${definition}`;
    seen.ignored.push(`${at}.format (told to the model, not enforced)`);
  }
  const input = { type: 'string', description: 'The whole text of the call.' };
  return {
    description: `${description}${rule}`.trim(),
    parameters: { type: 'object', properties: { [CUSTOM_INPUT]: input }, required: [CUSTOM_INPUT] },
  };
}

function readChoice(value: unknown, seen: Seen): string | object | undefined {
  if (value === undefined || value === null) return undefined;
  if (value === 'none' || value === 'auto') return value;
  if (value === 'required') return mustCall(seen);
  if (!isFields(value)) throw wrongType('tool_choice', '"none", "auto", "required" or an object', value);
  const type = value['type'];
  if (type === 'function' || type === 'custom') return chosen(value, 'tool_choice', seen);
  if (type === 'allowed_tools') return allowed(value, seen);
  throw unsupported(
    'tool_choice',
    `tool_choice asks for a tool of type ${JSON.stringify(type)}, which cannot be called`,
  );
}

function mustCall(seen: Seen): string {
  if (seen.chat.size > 0) return 'required';
  throw refusal('tool_choice', 'tool_choice is "required", but no tool of the request can be called');
}

const chosen = (value: Fields, at: string, seen: Seen): object => ({
  type: 'function',
  function: { name: knownName(value, at, seen) },
});

function knownName(value: Fields, at: string, seen: Seen): string {
  const namespace = given(value['namespace'], `${at}.namespace`, textAt);
  const known = chatName(namespace, textAt(value['name'], `${at}.name`));
  if (seen.chat.has(known)) return known;
  throw refusal(`${at}.name`, `${at} names ${JSON.stringify(known.slice(0, 80))}, which is not among the tools`);
}

// The model is told of the allowed ones only, which it cannot get around.
function allowed(value: Fields, seen: Seen): string {
  const names = new Set<string>();
  for (const [index, tool] of listAt(value['tools'], 'tool_choice.tools').entries()) {
    const at = `tool_choice.tools[${index}]`;
    const fields = fieldsAt(tool, at);
    if (typeof fields['name'] === 'string') names.add(knownName(fields, at, seen));
  }
  seen.chat = new Map([...seen.chat].filter(([name]) => names.has(name)));
  const mode = value['mode'];
  if (mode === 'required') return mustCall(seen);
  if (mode === undefined || mode === 'auto') return 'auto';
  throw wrongType('tool_choice.mode', '"auto" or "required"', mode);
}
