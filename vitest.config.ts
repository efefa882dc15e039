// Tests stand beside the code, and in tests/ where they span packages. `npm run test:slow` runs the *.slow.test.ts ones.
import { defineConfig } from 'vitest/config';

// `@brickwork/source` sends every workspace import to src/*.ts, so tests never need a build.
// Setting conditions replaces Vite's defaults, hence the full list.
const conditions = ['@brickwork/source', 'module', 'node', 'development|production'];
const tests = ['packages/*/src/**/*', 'tests/**/*'];

export default defineConfig(({ mode }) => ({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: tests.map((path) => `${path}.${mode === 'slow' ? 'slow.test' : 'test'}.ts`),
    exclude: mode === 'slow' ? [] : ['**/*.slow.test.ts'],
    // The engine's native code and its threads stay out of vitest's own process.
    pool: 'forks',
    maxWorkers: 2,
    // Only against hanging: a shared machine can be ten times slower than usual.
    testTimeout: mode === 'slow' ? 600_000 : 120_000,
    hookTimeout: 120_000,
    coverage: { provider: 'v8', include: ['packages/*/src/**/*.ts'] },
  },
}));
