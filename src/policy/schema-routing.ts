import { z } from 'zod';
import { closedMap } from './schema-values.ts';

const price = (value: number) => z.number().min(0).max(10).default(value);

/** `routing`: the prices by which feasible models are compared, in quality (0..1). */
export const routingSchema = closedMap({
  explore: z
    .number()
    .min(0)
    .max(0.2)
    .default(0.01)
    .describe(
      'Share of requests with time to spare that go to the second best loaded model, to keep its figures fresh. Default 0.01.',
    ),
  congestion_price: price(0.15).describe(
    'Quality given up to keep a busy device free: times its load and the share of the E2E target a run takes. Default 0.15.',
  ),
  load_price: price(0.1).describe(
    'Quality given up to avoid a load, per share of the E2E target it takes. Default 0.1.',
  ),
  swap_margin: price(0.02).describe(
    'Quality a load must gain when another model has to go for it, more after recent swaps. Default 0.02.',
  ),
  conversation_bonus: price(0.05).describe(
    'Quality added to the model that still holds the conversation, times the share of the prompt it holds. Default 0.05.',
  ),
}).prefault({});

/** The section as it leaves the schema. */
export type ParsedRouting = z.output<typeof routingSchema>;
