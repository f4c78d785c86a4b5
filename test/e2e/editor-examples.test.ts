import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import {
  demoModel,
  demoPolicy,
  eventsOf,
  type Parsed,
  startTestGateway,
  type TestGateway,
} from '../helpers/gateway.ts';

// Every page of examples/: its configuration is read as its client would read it, and what that client sends is sent to
// the address, with the key and the model that stand there. Recorded or taken from the client's source, texts shortened;
// aider's is what we take it to be.

const ROOT = join(import.meta.dirname, '..', '..');
const KEY = 'sluice';

let gateway: TestGateway;

beforeAll(async () => {
  const policy = demoPolicy(['tiny']);
  policy.models['tiny'] = { ...demoModel('tiny'), settings: { threads: 1 } };
  policy.clients = [{ name: 'editor', key_env: 'SLUICE_TEST_KEY_EDITOR' }];
  gateway = await startTestGateway(policy, { environment: { ...process.env, SLUICE_TEST_KEY_EDITOR: KEY } });
});
afterAll(async () => {
  await gateway?.stop();
});

/** What a client's configuration comes to. */
type Settings = { readonly base: string; readonly key: string; readonly models: readonly string[] };

const environment = (config: Parsed): Parsed => config.services['open-webui'].environment;

// Zed keeps the key elsewhere, and Codex names a variable for it.
const SETTINGS: Readonly<Record<string, (config: Parsed) => Settings>> = {
  'claude-code': ({ env }) => ({
    base: env.ANTHROPIC_BASE_URL,
    key: env.ANTHROPIC_AUTH_TOKEN,
    models: [env.ANTHROPIC_MODEL, ...['OPUS', 'SONNET', 'HAIKU'].map((name) => env[`ANTHROPIC_DEFAULT_${name}_MODEL`])],
  }),
  codex: (config) => {
    const provider = config.model_providers[config.model_provider];
    expect(provider).toMatchObject({ wire_api: 'responses', env_key: expect.any(String) });
    return { base: provider.base_url, key: KEY, models: [config.model] };
  },
  continue: ({ models }) => ({
    base: models[0].apiBase,
    key: models[0].apiKey,
    models: models.map(({ model }: Parsed) => model),
  }),
  zed: ({ language_models: providers, agent }) => {
    const { api_url: base, available_models: models } = providers.openai_compatible.Sluice;
    const names = models.map(({ name }: Parsed) => name);
    for (const { provider, model } of Object.values<Parsed>(agent)) {
      expect(provider).toBe('Sluice');
      expect(names).toContain(model);
    }
    return { base, key: KEY, models: names };
  },
  aider: (config) => ({
    base: config['openai-api-base'],
    key: config['openai-api-key'],
    models: ['model', 'weak-model', 'editor-model'].map((name) => config[name]),
  }),
  'open-webui': (config) => ({
    base: environment(config).OPENAI_API_BASE_URL,
    key: environment(config).OPENAI_API_KEY,
    models: [environment(config).DEFAULT_MODELS, environment(config).TASK_MODEL_EXTERNAL],
  }),
};

/** The first block of a page, read in the language it says it is written in. */
function configurationOf(page: string): Parsed {
  const text = readFileSync(join(ROOT, 'examples', `${page}.md`), 'utf8');
  const [, language, block = ''] = /^```(\w+)\n([\s\S]*?)^```/m.exec(text) ?? [];
  return language === 'toml' ? parseToml(block) : parse(block);
}

// As much TOML as such a file has: tables, and strings and numbers in them.
function parseToml(text: string): Parsed {
  const config: Parsed = {};
  let table = config;
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const [, path] = /^\[(.+)\]$/.exec(line) ?? [];
    const [, key = '', value = ''] = /^(\w+) = (.+)$/.exec(line) ?? [];
    if (path === undefined) {
      table[key] = JSON.parse(value);
      continue;
    }
    table = config;
    for (const name of path.split('.')) {
      table[name] ??= {};
      table = table[name];
    }
  }
  return config;
}

function settingsOf(page: string): Settings {
  const read = SETTINGS[page];
  if (read === undefined) throw new Error(`nobody knows how to read the configuration of ${page}`);
  return read(configurationOf(page));
}

type Recorded = {
  readonly method: string;
  readonly path: string;
  /** In place of the first model of the configuration, which must name it somewhere. */
  readonly model?: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Parsed;
};

const recordedOf = (client: string): readonly Recorded[] =>
  JSON.parse(readFileSync(join(ROOT, 'test/fixtures/clients', `${client}.json`), 'utf8')).requests;

async function send(client: string, recorded: Recorded): Promise<{ status: number; type: string; text: string }> {
  const { base, key, models } = settingsOf(client);
  const model = recorded.model ?? models[0];
  expect(models).toContain(model);
  const address = base.replace('http://127.0.0.1:8080', gateway.url);
  expect(address).not.toBe(base);
  const response = await fetch(address + recorded.path, {
    method: recorded.method,
    headers: { ...recorded.headers, authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    // aider keeps what says which language is spoken to itself.
    ...(recorded.body && { body: JSON.stringify({ ...recorded.body, model: model?.replace('openai/', '') }) }),
  });
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    text: await response.text(),
  };
}

/** True for an answer with words or a call in it, in whichever language. */
function isAnswer({ type, text }: { type: string; text: string }): boolean {
  const events = type.startsWith('text/event-stream') ? eventsOf(text) : [JSON.parse(text)];
  expect(events.filter((event) => event.error)).toEqual([]);
  return /"(content|text|delta|partial_json|arguments)":"[^"]/.test(JSON.stringify(events));
}

const pages = readdirSync(join(ROOT, 'examples'))
  .filter((name) => name.endsWith('.md') && name !== 'README.md')
  .map((name) => name.replace('.md', ''));

describe('the examples', () => {
  it('have a page, a configuration and a request for each client', () => {
    expect(pages).toEqual(Object.keys(SETTINGS).toSorted());
    const list = readFileSync(join(ROOT, 'examples/README.md'), 'utf8');
    for (const page of pages) expect(list).toContain(`(${page}.md)`);
  });

  it.each(pages)('name models that are there: %s', async (page) => {
    for (const model of settingsOf(page).models) {
      const response = await fetch(`${gateway.url}/v1/models/${model.replace('openai/', '')}`, {
        headers: { authorization: `Bearer ${KEY}` },
      });
      expect([model, response.status]).toEqual([model, 200]);
    }
  });
});

describe('a request as it is sent by', () => {
  const cases = pages.flatMap((page) =>
    recordedOf(page).map((recorded, index) => [page, index + 1, recorded] as const),
  );

  it.each(cases)('%s (%i) is answered', async (client, _, recorded) => {
    const answer = await send(client, recorded);
    expect(answer, answer.text).toMatchObject({ status: 200 });
    if (recorded.body?.stream !== undefined) {
      expect(answer.type).toContain(recorded.body.stream ? 'text/event-stream' : 'application/json');
      expect(isAnswer(answer), answer.text).toBe(true);
    }
  });

  it('Claude Code tells how long its conversation is, and is told in its own words that it is too long', async () => {
    const [chat, count] = recordedOf('claude-code') as [Recorded, Recorded];
    const counted = await send('claude-code', count);
    expect(JSON.parse(counted.text)).toMatchObject({
      input_tokens: expect.any(Number),
      x_router: { estimated: false },
    });
    const long = { ...chat, body: { ...chat.body, messages: [{ role: 'user', content: 'word '.repeat(9000) }] } };
    const refused = await send('claude-code', long);
    expect(refused.status).toBe(400);
    expect(JSON.parse(refused.text).error.message).toMatch(/^prompt is too long/);
  });

  it('Codex names what is not offered to the model', async () => {
    const [request] = recordedOf('codex') as [Recorded];
    const { text } = await send('codex', request);
    const { response } = eventsOf(text).at(-1);
    expect(response.status).toBe('completed');
    expect(response.x_router.ignored).toEqual(expect.arrayContaining([expect.stringContaining('web_search')]));
  });
});
