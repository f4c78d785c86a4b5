import { open, readFile, stat } from 'node:fs/promises';
import { z } from 'zod';
import { GatewayError } from '../../../src/core/errors.ts';
import { normalizedDtype, normalizedSoc, parseModelName, type RkllmFacts, withoutAbsent } from './model-name.ts';

/** A `.rkllm` file as far as it can be known without loading it. */
export type RkllmModelFile = {
  readonly path: string;
  readonly sizeBytes: number;
  /** Best known facts: the stand-in's own, else the sidecar's, else the name's. */
  readonly facts: RkllmFacts;
  /** Context length: known, or the usual 4096 where nothing tells. */
  readonly contextTokens: number;
  /** True: a text file for the simulator, not a model. */
  readonly isStandIn: boolean;
  /** Sidecar that was read, if any. */
  readonly sidecar: string | undefined;
};

/** First line of the text files the simulator loads in place of a model. */
export const STAND_IN_MAGIC = 'RKLLM-SIM 1';

// Boards' notes: files whose name gives no context were converted with 4096.
const CONTEXT_USUAL = 4096;
const HEAD_BYTES = 4096;
const LFS_POINTER = 'version https://git-lfs';

/**
 * Looks at a model file: its name, its sidecar `<file>.json`, its size, and the header where it is a stand-in for the
 * simulator. The head of a real file is undocumented and not decoded.
 * Throws `model_file_missing`; `model_file_invalid` where the file cannot be a model or its sidecar is wrong.
 */
export async function readModelFile(path: string): Promise<RkllmModelFile> {
  const status = await stat(path).catch((cause: unknown) => {
    throw new GatewayError('model_file_missing', `no model file ${path}; copy it there or correct models.*.file`, {
      cause,
    });
  });
  if (!status.isFile()) throw invalid(`${path} is not a file; name the .rkllm file itself`);
  const head = await readHead(path);
  if (head.startsWith(LFS_POINTER)) {
    throw invalid(`${path} is a Git LFS pointer, not the model; fetch the model with "git lfs pull"`);
  }
  if (status.size === 0) throw invalid(`${path} is empty; copy the model again`);
  const isStandIn = head.split('\n', 1)[0]?.trim() === STAND_IN_MAGIC;
  const sidecar = await readSidecar(`${path}.json`);
  const facts = { ...parseModelName(path), ...sidecar, ...(isStandIn ? parseStandIn(head) : {}) };
  return {
    path,
    sizeBytes: status.size,
    facts,
    contextTokens: facts.contextTokens ?? CONTEXT_USUAL,
    isStandIn,
    sidecar: sidecar === undefined ? undefined : `${path}.json`,
  };
}

/** Text of a stand-in: the magic line, then `key=value` lines (model, context, cores, soc, dtype, toolkit). */
export function formatStandIn(facts: RkllmFacts): string {
  const values = {
    model: facts.model,
    context: facts.contextTokens,
    cores: facts.npuCores,
    soc: facts.soc,
    dtype: facts.dtype,
    toolkit: facts.toolkitVersion,
  };
  const lines = Object.entries(values).flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`]));
  return `${[STAND_IN_MAGIC, ...lines].join('\n')}\n`;
}

/** Facts of a stand-in's text; keys it does not know are the simulator's own and left alone. */
export function parseStandIn(text: string): RkllmFacts {
  const values = new Map(
    text.split(/\r?\n/).flatMap((line) => {
      const at = line.indexOf('=');
      return at === -1 ? [] : [[line.slice(0, at).trim().toLowerCase(), line.slice(at + 1).trim()] as const];
    }),
  );
  return withoutAbsent({
    model: values.get('model'),
    contextTokens: positive(values.get('context')),
    npuCores: positive(values.get('cores')),
    soc: normalizedSoc(values.get('soc')),
    dtype: normalizedDtype(values.get('dtype')),
    toolkitVersion: values.get('toolkit'),
  });
}

const positive = (text: string | undefined): number | undefined => {
  const value = Number(text);
  return Number.isInteger(value) && value > 0 ? value : undefined;
};

const count = () => z.int().min(1).optional();
const word = () => z.string().min(1).optional();

/** The sidecar; keys of other programs are left alone. */
const sidecarSchema = z.object({
  model: word(),
  context: count(),
  cores: count(),
  soc: word(),
  dtype: word(),
  toolkit: word(),
  parameters_billion: z.number().positive().optional(),
});

async function readSidecar(path: string): Promise<RkllmFacts | undefined> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw invalid(`sidecar ${path} cannot be read (${error.code}); correct its permissions`, error);
  });
  if (text === undefined) return undefined;
  const parsed = sidecarSchema.safeParse(parseJson(path, text));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw invalid(`sidecar ${path}: ${issue?.path.join('.')} ${issue?.message}; correct or remove the file`);
  }
  const { model, context, cores, soc, dtype, toolkit, parameters_billion } = parsed.data;
  return withoutAbsent({
    model,
    contextTokens: context,
    npuCores: cores,
    soc: normalizedSoc(soc),
    dtype: normalizedDtype(dtype),
    toolkitVersion: toolkit,
    parametersBillion: parameters_billion,
  });
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(`sidecar ${path} is not JSON; correct or remove the file`, cause);
  }
}

async function readHead(path: string): Promise<string> {
  const file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw invalid(`${path} cannot be read (${cause.code}); give the gateway's user access to it`, cause);
  });
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}

const invalid = (message: string, cause?: unknown) => new GatewayError('model_file_invalid', message, { cause });
