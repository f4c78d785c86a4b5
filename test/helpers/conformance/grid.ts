/** What every client is tried with, in the order of the table; the suite has a test for each. */
export const FEATURES = [
  'lists the models',
  'reads a whole answer',
  'reads a stream',
  'has a tool called',
  'gives the result of a tool',
  'asks for JSON by a schema',
  'sends an image to a model without eyes',
  'gets vectors',
  'waits while a model loads',
  'leaves the queue',
  'leaves while the model loads',
  'leaves while the prompt is read',
  'leaves while the answer is written',
  'finds the queue full',
  'names a model that cannot run',
  'comes while the gateway drains',
  'sends a prompt beyond the context',
  'has a wrong key',
  'sends what is no JSON',
  'names an unknown model',
  'loses the engine before the first byte',
  'loses the engine in the middle of the answer',
] as const;
export type Feature = (typeof FEATURES)[number];

export const CLIENTS = ['OpenAI chat', 'OpenAI responses', 'Ollama', 'Anthropic', 'AI SDK', 'Discord bot'] as const;
export type ClientName = (typeof CLIENTS)[number];

export const RUNTIMES = ['llama-server', 'RKLLM simulator'] as const;
export type RuntimeName = (typeof RUNTIMES)[number];

/** One column: a client on models of one runtime. */
export type Column = { readonly client: ClientName; readonly runtime: RuntimeName };

/** Cells that cannot be, and why. */
const GAPS: Readonly<Partial<Record<ClientName, Partial<Record<Feature, string>>>>> = {
  'OpenAI responses': {
    'lists the models': 'The same call of the same library as for chat.',
    'gets vectors': 'The same call of the same library as for chat.',
  },
  Anthropic: { 'gets vectors': 'The language has no embeddings.' },
  'AI SDK': { 'lists the models': 'The library has no such call.' },
  'Discord bot': {
    'reads a whole answer': 'The bot always streams.',
    'has a tool called': 'The bot offers its people no tools, schemas, images or vectors.',
    'gives the result of a tool': 'The bot offers its people no tools, schemas, images or vectors.',
    'asks for JSON by a schema': 'The bot offers its people no tools, schemas, images or vectors.',
    'sends an image to a model without eyes': 'The bot offers its people no tools, schemas, images or vectors.',
    'gets vectors': 'The bot offers its people no tools, schemas, images or vectors.',
    'sends what is no JSON': 'Nothing makes the bot send one.',
  },
};

/** What stands in a cell whose test shows something else than its row says. */
export type Remark = { readonly mark: string; readonly note: string };

const REMARKS: Readonly<Partial<Record<RuntimeName, Partial<Record<Feature, Remark>>>>> = {
  'RKLLM simulator': {
    'asks for JSON by a schema': {
      mark: '400',
      note: 'Is refused: the runtime has no grammars. Where `model` leaves the choice open, llama-server answers.',
    },
  },
};

/** Why a client has no test of a feature; undefined where it has. */
export const gapOf = (feature: Feature, { client }: Column): string | undefined => GAPS[client]?.[feature];

/** What a test shows in place of what its row says; undefined where it is that. */
export const remarkOn = (feature: Feature, { runtime }: Column): Remark | undefined => REMARKS[runtime]?.[feature];

/** The columns that have a test of this feature, runtimes in turn. */
export const columnsOf = (feature: Feature): readonly Column[] =>
  CLIENTS.flatMap((client) => RUNTIMES.map((runtime) => ({ client, runtime }))).filter(
    (column) => gapOf(feature, column) === undefined,
  );
