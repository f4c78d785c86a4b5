import { ANTHROPIC_ENDPOINTS } from './anthropic.ts';
import { BATCH_ENDPOINT_LIST } from './batches.ts';
import { COMPLETIONS_ENDPOINT } from './completions.ts';
import type { Endpoint } from './endpoint.ts';
import { MANAGEMENT_ENDPOINTS } from './management.ts';
import { OLLAMA_ENDPOINTS } from './ollama.ts';
import { OPENAI_ENDPOINTS } from './openai.ts';
import { PROCESS_ENDPOINTS } from './process.ts';
import { RESPONSES_ENDPOINT } from './responses.ts';
import { ROUTER_ENDPOINTS } from './router.ts';
import { TEXT_ENDPOINTS } from './texts.ts';

/** Everything that is served; a test compares it with what the server really listens for. */
export const ENDPOINTS: readonly Endpoint[] = [
  ...OPENAI_ENDPOINTS,
  ...ANTHROPIC_ENDPOINTS,
  COMPLETIONS_ENDPOINT,
  RESPONSES_ENDPOINT,
  ...TEXT_ENDPOINTS,
  ...BATCH_ENDPOINT_LIST,
  ...MANAGEMENT_ENDPOINTS,
  ...OLLAMA_ENDPOINTS,
  ...ROUTER_ENDPOINTS,
  ...PROCESS_ENDPOINTS,
];
