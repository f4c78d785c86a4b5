import { anthropicMessages } from './anthropic/codec.ts';
import type { GenerationCodec } from './codec.ts';
import { openAiCompletions } from './completions/codec.ts';
import { openAiEmbeddings } from './embeddings/codec.ts';
import { ollamaChat, ollamaGenerate } from './ollama/codec.ts';
import { ollamaEmbed, ollamaEmbeddings } from './ollama/embed-codec.ts';
import { openAiChat } from './openai/codec.ts';
import { rerankCodecs } from './rerank/codec.ts';
import { openAiResponses } from './responses/codec.ts';

/** Every endpoint that answers with a generation; the server listens at each one's path. */
export const GENERATION_CODECS: readonly GenerationCodec[] = [
  openAiChat,
  openAiCompletions,
  openAiResponses,
  anthropicMessages,
  ollamaChat,
  ollamaGenerate,
];

/** Every endpoint that answers with vectors of texts or with scores, in one piece and never as a stream. */
export const TEXT_CODECS: readonly GenerationCodec[] = [
  openAiEmbeddings,
  ...rerankCodecs,
  ollamaEmbed,
  ollamaEmbeddings,
];
