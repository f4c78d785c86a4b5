import { nodeProgram } from '../../src/core/node-program.ts';

/** How to run the worker beside this file. */
export const workerCommand = (): readonly [string, ...string[]] => nodeProgram(import.meta.dirname, 'worker');
