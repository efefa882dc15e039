import { defineConfig } from 'vitest/config';

// `@brickwork/source` sends every workspace import to src/*.ts, so tests never need a build.
// Setting conditions replaces Vite's defaults, hence the full list.
const conditions = ['@brickwork/source', 'module', 'node', 'development|production'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'tests/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    coverage: { provider: 'v8', include: ['packages/*/src/**/*.ts'] },
  },
});
