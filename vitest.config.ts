import { defineConfig } from 'vitest/config';

// Two projects: `unit` needs nothing but Node and takes seconds; `e2e` starts real llama-server children on models
// that the global setup writes, so its files run one after another: two suites decoding at once on a small machine
// would measure each other.
export default defineConfig({
  test: {
    projects: [
      {
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: ['test/e2e/**'], testTimeout: 15_000 },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: ['test/global-setup.ts'],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 180_000,
        },
      },
    ],
  },
});
