import type { LinearInput } from './linear-input.ts';

/** The shape of a request as numbers: stream, bounds, tools, turns, lengths; one each, different for each kind. */
export const shapeFlags = (input: LinearInput): readonly number[] => [
  input.stream ? 1 : 2,
  10 + boundBucket(input.maxTokens),
  30 + logBucket(input.toolCount),
  input.inToolLoop ? 40 : 41,
  50 + ['text', 'json_object', 'json_schema', 'grammar'].indexOf(input.responseFormat),
  60 + Math.min(6, logBucket(input.messageCount)),
  70 + logBucket(input.text.length),
  100 + logBucket(input.system.length),
  input.text.trimEnd().endsWith('?') ? 120 : 121,
  input.text.includes('```') ? 122 : 123,
  input.stream || input.maxTokens !== undefined ? 130 : 131,
];

const boundBucket = (maxTokens: number | undefined): number => (maxTokens === undefined ? 0 : 1 + logBucket(maxTokens));

/** 0 for nothing, else one more than the binary logarithm, rounded down, 20 at most. */
export const logBucket = (value: number): number => (value <= 0 ? 0 : Math.min(20, 1 + Math.floor(Math.log2(value))));
