import { GatewayError } from '../../core/errors.ts';

/** A model as it is known here. */
export type ListedModel = {
  readonly id: string;
  readonly displayName: string;
  /** ms since 1970. */
  readonly createdAtMs: number;
  /** Undefined where it is not known, or is whoever's that is chosen. */
  readonly contextTokens: number | undefined;
};

/** A model in Anthropic's words. */
export type EncodedModel = {
  readonly type: 'model';
  readonly id: string;
  readonly display_name: string;
  readonly created_at: string;
  readonly max_input_tokens: number | null;
  /** An answer may fill what the prompt leaves of the context. */
  readonly max_tokens: number | null;
};

/** One page of the list. */
export type ModelPage = {
  readonly data: readonly EncodedModel[];
  readonly has_more: boolean;
  readonly first_id: string | null;
  readonly last_id: string | null;
};

/** What is asked of the list: texts as they stand in the query. */
export type PageQuery = {
  readonly limit: string | undefined;
  readonly afterId: string | undefined;
  readonly beforeId: string | undefined;
};

const LIMIT_DEFAULT = 20;
const LIMIT_MAX = 1000;

/** One page of all models, in their order. Throws `invalid_request` for a limit that is none or an id that is not listed. */
export function encodeModelPage(models: readonly ListedModel[], query: PageQuery): ModelPage {
  const limit = readLimit(query.limit);
  const after = indexOf(models, query.afterId, 'after_id');
  const before = indexOf(models, query.beforeId, 'before_id');
  const rest = models.slice((after ?? -1) + 1, before ?? models.length);
  // Pages before an id are the nearest to it.
  const page = before !== undefined && after === undefined ? rest.slice(-limit) : rest.slice(0, limit);
  return {
    data: page.map(encodeModel),
    has_more: page.length < rest.length,
    first_id: page[0]?.id ?? null,
    last_id: page.at(-1)?.id ?? null,
  };
}

/** One model. */
export function encodeModel({ id, displayName, createdAtMs, contextTokens }: ListedModel): EncodedModel {
  return {
    type: 'model',
    id,
    display_name: displayName,
    created_at: new Date(createdAtMs).toISOString(),
    max_input_tokens: contextTokens ?? null,
    max_tokens: contextTokens ?? null,
  };
}

function readLimit(text: string | undefined): number {
  if (text === undefined) return LIMIT_DEFAULT;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= LIMIT_MAX) return limit;
  throw invalid('limit', `limit must be an integer from 1 to ${LIMIT_MAX}, not "${text.slice(0, 40)}"`);
}

function indexOf(models: readonly ListedModel[], id: string | undefined, param: string): number | undefined {
  if (id === undefined) return undefined;
  const index = models.findIndex((model) => model.id === id);
  if (index !== -1) return index;
  throw invalid(param, `${param} "${id.slice(0, 80)}" is not in the list of models`);
}

const invalid = (param: string, message: string) => new GatewayError('invalid_request', message, { param });
