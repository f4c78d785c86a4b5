import type { RequestRecord } from '../../src/core/events.ts';
import { modelId, requestId } from '../../src/core/ids.ts';

/** A finished request with everything filled in; what a test cares about is given. */
export function requestRecord(given: Partial<RequestRecord> = {}): RequestRecord {
  return {
    requestId: requestId('r-1'),
    receivedAtMs: Date.UTC(2026, 10, 20, 12),
    client: 'editor',
    class: 'interactive',
    task: 'chat',
    reasons: [{ rule: 'default', detail: 'nothing else matched' }],
    model: modelId('qwen3.5-4b'),
    degraded: false,
    reason: 'fits',
    stream: true,
    promptChars: 120,
    messageCount: 1,
    hasMedia: false,
    predicted: undefined,
    candidates: [
      {
        model: modelId('qwen3.5-4b'),
        device: 'cpu',
        quality: 0.7,
        predicted: undefined,
        feasible: true,
        utility: 0.7,
        reason: 'preferred',
      },
    ],
    actual: { ttftMs: 900, e2eMs: 9_000, outputTokens: 20 },
    outcome: { kind: 'ok', finishReason: 'stop', sloMet: true },
    ...given,
  };
}
