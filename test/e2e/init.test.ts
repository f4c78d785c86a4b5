import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';
import { tierPath } from '../../src/demo/tiers.ts';
import { contentOf, postChat, question, sentenceOf, testVariable } from '../helpers/gateway.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';
import { until } from '../helpers/until.ts';

const CLI = ['--import', 'tsx', join(import.meta.dirname, '../../src/cli.ts')];

function sluice(...args: string[]) {
  const path = `${join(testVariable('SLUICE_TEST_LLAMA_SERVER'), '..')}:${process.env['PATH']}`;
  const child = spawn(process.execPath, [...CLI, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/** The address a started gateway says it listens on. */
async function listening(child: ReturnType<typeof sluice>): Promise<string> {
  for await (const line of createInterface(child.stderr)) {
    const url = /listening on (http:\/\/[^"\s]+)/.exec(line)?.[1];
    if (url !== undefined) return url;
  }
  throw new Error('the gateway ended before it listened');
}

describe('sluice init', () => {
  test('writes a policy that serves the models of a folder on this machine as it is', async () => {
    const folder = temporaryFolder();
    symlinkSync(tierPath(testVariable('SLUICE_TEST_MODELS'), 'tiny'), join(folder, 'tiny.gguf'));
    const policy = join(folder, 'policy.yaml');
    const [code] = await once(sluice('init', '--yes', '--models', folder, '--output', policy), 'exit');
    expect(code).toBe(0);

    const serve = sluice('--policy', policy, '--data', join(folder, 'data'), 'serve', '--port', '0');
    const ended = once(serve, 'exit');
    const url = await listening(serve);
    serve.stderr.resume();
    await until('the gateway is ready', async () => (await fetch(`${url}/ready`)).ok);
    const reply = await postChat(url, question({ model: 'default' }));
    expect(reply.status, reply.text).toBe(200);
    expect(contentOf(reply.text)).toBe(sentenceOf('tiny'));
    serve.kill('SIGTERM');
    expect((await ended)[0]).toBe(0);
  });
});
