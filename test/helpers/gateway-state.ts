import type { GatewayState } from '../../src/observe/gateway-state.ts';

/** How a gateway stands that does nothing; what a test cares about is given. */
export function gatewayState(given: Partial<GatewayState> = {}): GatewayState {
  return {
    version: '1.2.3',
    ready: true,
    draining: false,
    policyValid: true,
    policyRevision: 'abc',
    requestsActive: 0,
    lanes: [],
    queueDepthMax: 64,
    memory: { budgetBytes: 8e9, pinnedBytes: 0, evictableBytes: 0 },
    models: [],
    batches: { running: 0, paused: 0, items: { open: 0, done: 0, failed: 0 } },
    clients: [],
    machine: { temperatures: [], cooling: [], npu: [], cpuHertz: [], memoryAvailableBytes: undefined },
    process: { rssBytes: 9e7, cpuSeconds: 1.5, startedAtMs: 1_000, openFiles: 20 },
    ...given,
  };
}
