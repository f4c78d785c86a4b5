import { describe, expect, it } from 'vitest';
import { benchPolicy, MODEL_COUNT } from '../../scripts/gateway-bench/gateway-files.ts';
import { parsePolicy } from '../../src/policy/parse.ts';

describe('benchPolicy', () => {
  const policy = parsePolicy(benchPolicy('/opt/upstream', '/opt/tiny.gguf'), '/opt/policy.yaml');

  it('is a valid policy with twelve models to compare and a lane for each of the 16 clients', () => {
    expect(policy.models.size).toBe(MODEL_COUNT);
    expect(policy.devices.get('cpu')?.lanes).toBe(16);
  });

  it('asks for an API key', () => {
    expect(policy.clients.map(({ keyEnv }) => keyEnv)).toEqual(['SLUICE_BENCH_KEY']);
  });

  it('keeps only the model that interactive requests prefer', () => {
    const resident = [...policy.models.values()].filter(({ keep }) => keep.kind === 'resident').map(({ id }) => id);
    expect(resident).toEqual([policy.classes.interactive.prefer]);
  });
});
