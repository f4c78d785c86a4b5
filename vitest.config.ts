import { defineConfig } from 'vitest/config';

// Three projects: `unit` needs nothing but Node; the two others start real llama-server children on models that the global
// setup writes, and run after the unit tests. `e2e` runs one file at a time: two suites that time or load the machine
// would measure each other. What looks at answers and not at times is in `e2e-side`, two files at a time.
const SIDE_BY_SIDE = [
  'ai-sdk',
  'anthropic-sdk',
  'batch-cli',
  'batches',
  'conformance',
  'dashboard',
  'demo-models',
  'discord-bot',
  'editor-examples',
  'endpoints',
  'endpoints-attacks',
  'gateway-http',
  'gateway-pass-through',
  'init',
  'install-llama-cpp',
  'management',
  'metrics',
  'ollama-sdk',
  'policy-diff',
  'report',
  'responses-sdk',
  'rkllm-gateway',
  'runtime-contract',
  'sdk-openai',
].map((name) => `test/e2e/${name}.test.ts`);

const END_TO_END = { globalSetup: ['test/global-setup.ts'], testTimeout: 120_000, hookTimeout: 180_000 };

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**'],
          testTimeout: 15_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: {
          ...END_TO_END,
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: SIDE_BY_SIDE,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          ...END_TO_END,
          name: 'e2e-side',
          include: SIDE_BY_SIDE,
          maxWorkers: 2,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
