import { readFile } from 'node:fs/promises';
import { Template } from '@huggingface/jinja';
import { GatewayError, messageOf } from '../../../src/core/errors.ts';
import { readBesideModel } from '../files/beside-model.ts';
import { FAMILIES, FAMILY_TEMPLATES, type Family, familyOf } from './families.ts';
import { withFencedTools } from './fenced-tools.ts';
import type { ChatMessage, ChatTool } from './messages.ts';

/** How a model writes tool calls; `fenced` where its template knows no tools and we tell it how. */
export type ToolFormat = 'hermes' | 'llama3' | 'fenced';

/** A chat template ready to render, and what its text tells about the model. */
export type ChatTemplate = {
  /** Where it came from: a path, or `family qwen3`. */
  readonly origin: string;
  readonly source: string;
  readonly toolFormat: ToolFormat;
  /** `switch`: can be told; `always`: may think, cannot be told; `none`: its template knows no thoughts. */
  readonly thinking: 'none' | 'switch' | 'always';
  /** Text of the token that ends an answer, where known. */
  readonly eosToken: string | undefined;
  /** The template reads a message's content as a list of parts, not as text. */
  readonly wantsParts: boolean;
  /** Renders with these variables. */
  readonly render: (variables: Readonly<Record<string, unknown>>) => string;
};

/** What is to be rendered. */
export type PromptRequest = {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly ChatTool[];
  /** Undefined leaves the choice to the template. */
  readonly thinking?: boolean;
  /** Ask for an answer; default true. */
  readonly addGenerationPrompt?: boolean;
};

/** A prompt as text, special tokens written out. */
export type RenderedPrompt = {
  readonly prompt: string;
  /** The prompt ends inside an opened `<think>`, so the answer starts with thoughts. */
  readonly startsThinking: boolean;
};

/**
 * Finds a model's chat template: what the policy names (a family or a file), else `chat_template.jinja`,
 * `tokenizer_config.json` or `chat_template.json` beside the model, else the template of the family its name tells.
 * Throws `invalid_config` where none is found or one does not parse.
 */
export async function loadChatTemplate(
  modelFile: string,
  options: { readonly template?: string; readonly modelName?: string } = {},
): Promise<ChatTemplate> {
  if (options.template !== undefined) return namedTemplate(options.template);
  const beside = await templateBeside(modelFile);
  if (beside !== undefined) return beside;
  const family = familyOf(modelFile) ?? familyOf(options.modelName ?? '');
  if (family !== undefined) return familyTemplate(family);
  throw new GatewayError(
    'invalid_config',
    `no chat template is known for ${modelFile}; put the model's tokenizer_config.json or chat_template.jinja ` +
      `beside it, or set settings.template to a file or one of ${FAMILIES.join(', ')}`,
  );
}

/** The template of a family we carry. */
export function familyTemplate(family: Family): ChatTemplate {
  const { source, bos, eos } = FAMILY_TEMPLATES[family];
  return compile(`family ${family}`, { default: source }, { bos_token: bos, eos_token: eos });
}

/**
 * Renders a conversation into the prompt the model was trained on. Where the template does not know tools, their
 * definitions and results are put into words (see fenced-tools.ts).
 * Throws `invalid_request` with the template's own words where it refuses the conversation.
 */
export function renderPrompt(template: ChatTemplate, request: PromptRequest): RenderedPrompt {
  const tools = request.tools ?? [];
  const told = template.toolFormat === 'fenced' ? withFencedTools(request.messages, tools) : request.messages;
  const prompt = renderOrRefuse(template, {
    messages: told.map((message) => (template.wantsParts ? withParts(message) : { ...message })),
    // Templates written for transformers test "tools is not none", so absent tools are null, not undefined.
    tools: tools.length > 0 && template.toolFormat !== 'fenced' ? tools : null,
    ...(request.thinking === undefined ? {} : { enable_thinking: request.thinking }),
    add_generation_prompt: request.addGenerationPrompt ?? true,
  });
  return { prompt, startsThinking: /<think>\s*$/.test(prompt.slice(-16)) };
}

/**
 * The part of the prompt that is the same for every conversation with this system text and these tools: what a prompt
 * cache may hold. Undefined where the template does not put it first.
 */
export function renderPrefix(
  template: ChatTemplate,
  request: Pick<PromptRequest, 'messages' | 'tools' | 'thinking'>,
): string | undefined {
  const system = request.messages.filter((message, index) => index === 0 && message.role === 'system');
  if (system.length === 0 && (request.tools ?? []).length === 0) return undefined;
  const [first, second] = ['\u2060A', '\u2060B'].map(
    (content) => renderPrompt(template, { ...request, messages: [...system, { role: 'user', content }] }).prompt,
  );
  const at = first?.indexOf('\u2060A') ?? -1;
  return at > 0 && first?.slice(0, at) === second?.slice(0, at) ? first?.slice(0, at) : undefined;
}

const withParts = (message: ChatMessage) => ({ ...message, content: [{ type: 'text', text: message.content }] });

function renderOrRefuse(template: ChatTemplate, variables: Readonly<Record<string, unknown>>): string {
  try {
    return template.render(variables);
  } catch (error) {
    throw new GatewayError(
      'invalid_request',
      `the chat template (${template.origin}) refuses this conversation: ${messageOf(error)}`,
      { cause: error, param: 'messages' },
    );
  }
}

async function namedTemplate(name: string): Promise<ChatTemplate> {
  const family = FAMILIES.find((known) => known === name.toLowerCase());
  if (family !== undefined) return familyTemplate(family);
  const text = await readFile(name, 'utf8').catch((cause: unknown) => {
    throw new GatewayError(
      'invalid_config',
      `chat template ${name} is neither a readable file nor one of ${FAMILIES.join(', ')}`,
      { cause },
    );
  });
  if (!name.endsWith('.json')) return compile(name, { default: text }, {});
  const config = readConfig(name, text);
  if (config.templates === undefined)
    throw new GatewayError('invalid_config', `${name} holds no chat_template; name a .jinja file or another one`);
  return compile(name, config.templates, config.tokens);
}

async function templateBeside(modelFile: string): Promise<ChatTemplate | undefined> {
  const file = await readBesideModel(modelFile, 'tokenizer_config.json');
  const config = file === undefined ? undefined : readConfig(file.path, file.text);
  const jinja = await readBesideModel(modelFile, 'chat_template.jinja');
  if (jinja !== undefined) return compile(jinja.path, { default: jinja.text }, config?.tokens ?? {});
  if (file !== undefined && config?.templates !== undefined) return compile(file.path, config.templates, config.tokens);
  const processor = await readBesideModel(modelFile, 'chat_template.json');
  if (processor === undefined) return undefined;
  const { templates } = readConfig(processor.path, processor.text);
  return templates === undefined ? undefined : compile(processor.path, templates, config?.tokens ?? {});
}

type Templates = { readonly default: string; readonly toolUse?: string };
type Tokens = Readonly<Record<string, string>>;

/** Hugging Face's tokenizer_config.json: a template or a list of named ones; tokens as text or `{content}`. */
function readConfig(
  path: string,
  text: string,
): { readonly templates: Templates | undefined; readonly tokens: Tokens } {
  let config: Readonly<Record<string, unknown>>;
  try {
    config = JSON.parse(text);
  } catch (cause) {
    throw new GatewayError('invalid_config', `${path} is not JSON; fetch it again from the model's page`, { cause });
  }
  const tokens = Object.fromEntries(
    ['bos_token', 'eos_token', 'pad_token', 'unk_token'].flatMap((name) => {
      const value = config[name];
      const content = typeof value === 'object' && value !== null ? (value as { content?: unknown }).content : value;
      return typeof content === 'string' ? [[name, content]] : [];
    }),
  );
  return { templates: readTemplates(config['chat_template']), tokens };
}

function readTemplates(value: unknown): Templates | undefined {
  if (typeof value === 'string') return { default: value };
  if (!Array.isArray(value)) return undefined;
  const named = new Map(value.map((entry: { name: string; template: string }) => [entry.name, entry.template]));
  const main = named.get('default') ?? [...named.values()][0];
  const toolUse = named.get('tool_use');
  return main === undefined ? undefined : { default: main, ...(toolUse === undefined ? {} : { toolUse }) };
}

function compile(origin: string, templates: Templates, tokens: Tokens): ChatTemplate {
  const main = parseTemplate(origin, templates.default);
  const withTools = templates.toolUse === undefined ? main : parseTemplate(origin, templates.toolUse);
  const source = `${templates.default}\n${templates.toolUse ?? ''}`;
  // bos_token is empty where nobody named one: a template that writes it must not print "undefined".
  const render: ChatTemplate['render'] = (variables) =>
    (Array.isArray(variables['tools']) ? withTools : main).render({
      bos_token: '',
      eos_token: '',
      ...tokens,
      ...variables,
    });
  return {
    origin,
    source,
    render,
    wantsParts: losesText(render),
    toolFormat: toolFormatOf(source),
    thinking: thinkingOf(source),
    eosToken: tokens['eos_token'],
  };
}

// Vision models' templates walk over parts; given text they walk over its letters and print nothing.
function losesText(render: ChatTemplate['render']): boolean {
  try {
    return !render({ messages: [{ role: 'user', content: 'probe' }], add_generation_prompt: true }).includes('probe');
  } catch {
    return takesParts(render);
  }
}

function takesParts(render: ChatTemplate['render']): boolean {
  try {
    return render({ messages: [{ role: 'user', content: [{ type: 'text', text: 'probe' }] }] }).includes('probe');
  } catch {
    return false;
  }
}

function parseTemplate(origin: string, source: string): Template {
  try {
    return new Template(source);
  } catch (cause) {
    throw new GatewayError('invalid_config', `chat template ${origin} does not parse: ${messageOf(cause)}`, { cause });
  }
}

function toolFormatOf(source: string): ToolFormat {
  if (!/\btools\b/.test(source)) return 'fenced';
  if (source.includes('<tool_call>')) return 'hermes';
  return /<\|python_tag\|>|ipython|"parameters"/.test(source) ? 'llama3' : 'fenced';
}

function thinkingOf(source: string): ChatTemplate['thinking'] {
  if (source.includes('enable_thinking')) return 'switch';
  return source.includes('</think>') || source.includes('<think>') ? 'always' : 'none';
}
