import { z } from 'zod';

/** Error bodies by language. */
export const ERROR_SCHEMAS = {
  openai: {
    description:
      "A client's mistake (4xx) or a failure (5xx); `x-should-retry`, `retry-after` say whether to come again.",
    schema: z.object({
      error: z.object({
        message: z.string(),
        type: z.string(),
        param: z.string().nullable().describe('The field that is wrong'),
        code: z.string().nullable(),
      }),
    }),
  },
  ollama: {
    description: "A client's mistake (4xx) or a failure (5xx).",
    schema: z.object({ error: z.string() }),
  },
  anthropic: {
    description: "A client's mistake (4xx), a failure (5xx), or 529 where nothing can take the request now.",
    schema: z.looseObject({
      type: z.literal('error'),
      error: z.looseObject({ type: z.string(), message: z.string() }),
    }),
  },
} as const;
