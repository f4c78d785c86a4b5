import type { IncomingMessage } from 'node:http';
import { basename } from 'node:path';
import type { Hono } from 'hono';
import type { ClientPolicy } from '../core/client-policy.ts';
import { GatewayError } from '../core/errors.ts';
import type { ModelPolicy } from '../core/policy.ts';
import { readJsonObject } from '../dialects/openai/read-json.ts';
import type { GgufMetadata } from '../transport/gguf-metadata.ts';
import type { Bindings } from './app.ts';
import { checkIn } from './check-in.ts';
import { findModel } from './models.ts';
import {
  describeLoaded,
  describeModel,
  describeVirtual,
  type ListedModel,
  listModels,
  virtualNames,
} from './ollama-models.ts';
import type { HttpParts } from './parts.ts';
import { readBody } from './read-body.ts';

/** The release of Ollama whose API this is; clients refuse to work with versions they take for too old. */
const OLLAMA_VERSION = '0.12.11';

/** What Ollama's clients ask beside chats and prompts: models, what is loaded, the version. */
export function addOllamaRoutes(app: Hono<Bindings>, parts: HttpParts): void {
  // A browser wants a page; whoever checks that the server is there gets Ollama's own words. HEAD comes here too.
  app.get('/', async (context, next) => {
    if (context.req.method === 'HEAD' || !(context.req.header('accept') ?? '').includes('text/html'))
      return context.text('Ollama is running');
    return next();
  });
  app.get('/api/version', (context) =>
    context.json({ version: OLLAMA_VERSION, server: 'sluice', server_version: parts.version }),
  );
  app.get('/api/tags', async (context) => {
    await parts.started();
    return context.json({ models: await listModels(parts, whoAsks(parts, context.env.incoming)) });
  });
  app.get('/api/ps', async (context) => {
    const loaded = [...parts.policy().models.values()].flatMap((model) => {
      const view = parts.supervisor.views().get(model.id);
      return view?.residency.kind === 'ready' || view?.residency.kind === 'busy' ? [{ model, view }] : [];
    });
    const models = await Promise.all(loaded.map(({ model, view }) => describeLoaded(model, view, parts)));
    return context.json({ models });
  });
  app.post('/api/show', async (context) => {
    await parts.started();
    const bytes = await readBody(context.env.incoming, parts.policy().gateway.bodyBytesMax);
    return context.json(await showModel(nameIn(bytes), parts, whoAsks(parts, context.env.incoming)));
  });
  for (const [path, why] of Object.entries(REFUSED)) {
    app.all(path, () => {
      const message = `${path.replace('/:digest', '')} is not served: ${why}`;
      throw new GatewayError('unsupported_feature', message, { status: 501, shouldRetry: false });
    });
  }
}

// Draining refuses new work, not questions about it.
const whoAsks = (parts: HttpParts, incoming: IncomingMessage): ClientPolicy | undefined =>
  checkIn({ ...parts, isDraining: () => false }, incoming);

const BY_POLICY = 'models are files that the policy declares';
/** Managing models is the operator's business, by the policy file. */
const REFUSED: Readonly<Record<string, string>> = {
  '/api/pull': `${BY_POLICY}; put the file there and add it under models`,
  '/api/push': `${BY_POLICY} and are not published from here`,
  '/api/create': `${BY_POLICY}; add one under models with the settings it needs`,
  '/api/copy': `${BY_POLICY}; give it another name under aliases`,
  '/api/delete': `${BY_POLICY}; take it out of models, or unload it by keep_alive 0`,
  '/api/blobs/:digest': `${BY_POLICY}; nothing is uploaded`,
};

function nameIn(bytes: Buffer): string {
  const body = readJsonObject(bytes);
  const name = body['model'] ?? body['name'];
  if (typeof name === 'string' && name !== '') return name;
  throw new GatewayError('invalid_request', 'model must be the name of a model', { param: 'model' });
}

async function showModel(name: string, parts: HttpParts, client: ClientPolicy | undefined) {
  const virtual = name === 'auto:latest' ? 'auto' : name;
  if (virtualNames(client).includes(virtual)) {
    return encodeShown(describeVirtual(virtual, parts, client), { sampling: {} });
  }
  const model = findModel(name, parts);
  return encodeShown(await describeModel(model, parts), { ...model, metadata: await metadataOf(model) });
}

// Only GGUF files tell of themselves in a form known here; one that cannot be read is shown by what else is known.
async function metadataOf({ file }: ModelPolicy): Promise<GgufMetadata | undefined> {
  if (!file.endsWith('.gguf')) return undefined;
  const { readGgufMetadata } = await import('../transport/gguf-metadata.ts');
  return readGgufMetadata(file).catch(() => undefined);
}

type ShownParts = Pick<ModelPolicy, 'sampling'> & {
  readonly file?: string;
  readonly metadata?: GgufMetadata | undefined;
};

function encodeShown(listed: ListedModel, { sampling, file, metadata }: ShownParts) {
  const { details, capabilities, modified_at } = listed;
  const context = details.context_length;
  const settings = [['num_ctx', context] as const, ...Object.entries(sampling)];
  return {
    modelfile: `# declared in the routing policy\nFROM ${file === undefined ? listed.name : basename(file)}\n`,
    parameters: settings.map(([name, value]) => `${name.padEnd(30)} ${value}`).join('\n'),
    template: metadata?.chatTemplate ?? '',
    details,
    model_info: {
      'general.architecture': details.family,
      ...(metadata !== undefined && { 'general.parameter_count': metadata.parameterCount }),
      ...(metadata?.name !== undefined && { 'general.name': metadata.name }),
      // Clients size their prompts by it, so it is what is served, and not what the model was trained for.
      [`${details.family}.context_length`]: context,
      ...(metadata !== undefined && {
        [`${details.family}.embedding_length`]: metadata.embeddingLength,
        [`${details.family}.block_count`]: metadata.blockCount,
        'sluice.trained_context_length': metadata.contextLength,
      }),
    },
    capabilities,
    modified_at,
  };
}
