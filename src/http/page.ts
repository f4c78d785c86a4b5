import { GatewayError } from '../core/errors.ts';
import type { Page } from '../store/batch-table.ts';

/**
 * Reads `after`, `limit` and `order` of a listing in OpenAI's manner. Throws `invalid_request` naming the one that is
 * wrong.
 */
export function readPage(
  query: Readonly<Record<string, string>>,
  { limitDefault, limitMax }: { readonly limitDefault: number; readonly limitMax: number },
): Page & { readonly order: 'asc' | 'desc' } {
  const { after, limit: limitText, order = 'desc' } = query;
  const limit = limitText === undefined ? limitDefault : Number(limitText);
  if (!Number.isInteger(limit) || limit < 1 || limit > limitMax) {
    throw invalid(`limit must be an integer from 1 to ${limitMax}, not ${quote(limitText)}`, 'limit');
  }
  if (order !== 'asc' && order !== 'desc') throw invalid(`order must be asc or desc, not ${quote(order)}`, 'order');
  return { limit, order, ...(after !== undefined && after !== '' && { after }) };
}

/** A listing in OpenAI's manner, of items of which one more than `limit` was looked for: that one tells that there are more. */
export function encodePage<Item extends { readonly id: string }>(found: readonly Item[], limit: number) {
  const data = found.slice(0, limit);
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: found.length > limit,
  };
}

const invalid = (message: string, param: string) => new GatewayError('invalid_request', message, { param });
const quote = (text: string | undefined): string => JSON.stringify(text?.slice(0, 40));
