import { describe, expect, test } from 'vitest';
import { DEMO_OUTPUT_TOKENS, demoPolicy, NPU_TIER_ID } from '../../src/demo/demo-policy.ts';
import { parsePolicy } from '../../src/policy/parse.ts';

const parts = { server: '/bin/server', bench: '/bin/bench', modelFolder: '/models', port: 0 };
const npu = { library: '/sim/librkllmrt.so', file: '/models/npu "1".rkllm' };
const parsed = (given: object) => parsePolicy(demoPolicy({ ...parts, targets: {}, ...given }), 'demo-policy.yaml');

describe('demoPolicy', () => {
  test('without an NPU has four tiers on the CPU', () => {
    const policy = parsed({});
    expect([...policy.models.keys()]).toEqual(['demo-1.7b', 'demo-4b', 'demo-9b', 'demo-27b']);
    expect([...policy.devices.keys()]).toEqual(['cpu']);
    expect(demoPolicy({ ...parts, targets: {} })).not.toMatch(/npu|simulated/i);
  });

  test('with one has a fifth tier on its own device, named simulated wherever it stands', () => {
    const policy = parsed({ npu });
    const model = [...policy.models.values()].at(-1);
    expect(model).toMatchObject({ id: NPU_TIER_ID, file: npu.file });
    expect(NPU_TIER_ID).toContain('simulated');
    const runtime = model && policy.runtimes.get(model.runtime);
    expect(runtime).toMatchObject({ kind: 'rkllm', device: 'npu', library: npu.library });
    const text = demoPolicy({ ...parts, npu, targets: {} });
    for (const line of ['  npu: {', `  ${NPU_TIER_ID}: {`]) {
      const before = text.slice(0, text.indexOf(line)).trimEnd().split('\n').at(-1);
      expect(before).toContain('# SIMULATED');
    }
  });

  test('the simulated tier is good enough for routing and for nothing that wants more', () => {
    const { models, classes } = parsed({ npu });
    const quality = [...models.values()].at(-1)?.quality ?? 0;
    expect(quality).toBeGreaterThan([...models.values()][0]?.quality ?? 1);
    expect(quality).toBeGreaterThanOrEqual(classes.route.minQuality);
    expect(quality).toBeLessThan(classes.interactive.minQuality);
    expect(quality).toBeLessThan(classes.quality.minQuality);
  });

  test('targets are whole milliseconds, and absent where not given', () => {
    const { classes } = parsed({ targets: { route: 32.4 } });
    expect(classes.route.e2eMs).toBe(32);
    expect(demoPolicy({ ...parts, targets: { route: 32.4 } })).toContain('  interactive: { min_quality');
    expect(classes.batch.outputTokens).toBe(DEMO_OUTPUT_TOKENS);
  });
});
