import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';

// A real datagram socket as systemd has one, made by Python because Node cannot: it prints one JSON string per message.
const LISTENER = `
import json, socket, sys
path = sys.argv[1]
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind("\\0" + path[1:] if path.startswith("@") else path)
print(json.dumps("bound"), flush=True)
while True: print(json.dumps(s.recv(4096).decode()), flush=True)
`;

/** Binds a notify socket at a path (`@name` = abstract) for this test; the returned call gives one message after the other. */
export async function bindNotifySocket(path: string): Promise<() => Promise<string>> {
  const child = spawn('python3', ['-c', LISTENER, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const failed = new Promise<never>((_, reject) => {
    child.once('error', (cause) =>
      reject(new Error('this test needs Python 3 (Debian: apt-get install python3)', { cause })),
    );
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => JSON.parse((await Promise.race([lines.next(), failed])).value ?? 'null');
  const first = await next();
  if (first !== 'bound') throw new Error(`no notify socket at ${path}`);
  return next;
}
