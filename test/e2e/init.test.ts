import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { describe, expect, onTestFinished, test } from 'vitest';
import { tierPath } from '../../src/demo/tiers.ts';
import { contentOf, postChat, question, sentenceOf, testVariable } from '../helpers/gateway.ts';
import { bindNotifySocket } from '../helpers/notify-socket.ts';
import { temporaryFolder } from '../helpers/temporary-folder.ts';

const CLI = ['--import', 'tsx', join(import.meta.dirname, '../../src/cli.ts')];

function sluice(args: readonly string[], environment: NodeJS.ProcessEnv = {}) {
  const path = `${join(testVariable('SLUICE_TEST_LLAMA_SERVER'), '..')}:${process.env['PATH']}`;
  const child = spawn(process.execPath, [...CLI, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PATH: path, ...environment },
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
  test('without a model says what to do instead of how to measure it', async () => {
    const output = join(temporaryFolder(), 'policy.yaml');
    const init = sluice(['init', '--yes', '--models', temporaryFolder(), '--output', output]);
    const [said, [code]] = await Promise.all([text(init.stdout), once(init, 'exit')]);
    expect(said).toContain(
      `put .gguf files into a folder, then: sluice init --models FOLDER --output ${output} --force`,
    );
    expect(said).not.toContain('bench');
    expect(code).toBe(0);
  });

  test('writes a policy that serves the models of a folder as it is, and the service manager is told of it', async () => {
    const folder = temporaryFolder();
    symlinkSync(tierPath(testVariable('SLUICE_TEST_MODELS'), 'tiny'), join(folder, 'tiny.gguf'));
    const policy = join(folder, 'policy.yaml');
    const [code] = await once(sluice(['init', '--yes', '--models', folder, '--output', policy]), 'exit');
    expect(code).toBe(0);

    const notifySocket = join(folder, 'notify');
    const told = await bindNotifySocket(notifySocket);
    const serve = sluice(['--policy', policy, '--data', join(folder, 'data'), 'serve', '--port', '0'], {
      NOTIFY_SOCKET: notifySocket,
      WATCHDOG_USEC: '3600000000',
    });
    const ended = once(serve, 'exit');
    const url = await listening(serve);
    serve.stderr.resume();
    expect(await told()).toBe(`READY=1\nSTATUS=listening on ${url}, loading models`);
    expect(await told()).toBe('WATCHDOG=1');
    expect(await told()).toBe(`STATUS=serving on ${url}`);
    const reply = await postChat(url, question({ model: 'default' }));
    expect(reply.status, reply.text).toBe(200);
    expect(contentOf(reply.text)).toBe(sentenceOf('tiny'));
    serve.kill('SIGTERM');
    expect(await told()).toMatch(/^STOPPING=1\n/);
    expect((await ended)[0]).toBe(0);
  });
});
