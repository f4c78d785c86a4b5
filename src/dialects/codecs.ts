import { anthropicMessages } from './anthropic/codec.ts';
import type { GenerationCodec } from './codec.ts';
import { openAiChat } from './openai/codec.ts';

/** Every endpoint that answers with a generation; the server listens at each one's path. */
export const GENERATION_CODECS: readonly GenerationCodec[] = [openAiChat, anthropicMessages];
