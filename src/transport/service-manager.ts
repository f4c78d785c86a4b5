import type { Clock } from '../core/clock.ts';
import { messageOf } from '../core/errors.ts';

// What systemd calls sd_notify(3): datagrams of `NAME=value` lines to a Unix socket whose path stands in NOTIFY_SOCKET.
// Node has no datagram sockets for Unix paths, and `systemd-notify` is a process of its own for every beat of the
// watchdog, so the three calls go to libc through koffi, which the NPU's worker needs anyway. It is loaded only
// where a service manager listens.

/** The service manager that started this process (systemd, or whatever speaks its protocol). */
export interface ServiceManager {
  /** The service is up; `status` is the line that `systemctl status` shows. Begins to feed the watchdog where one is set. */
  ready(status: string): void;
  /** Another line for `systemctl status`. */
  status(text: string): void;
  /** The service is ending by intent; the watchdog is fed until `close`. */
  stopping(): void;
  close(): void;
}

/** What a service manager is reached with. */
export type ServiceManagerOptions = {
  /** Read, and cleared of what is not meant for the models' processes. */
  readonly environment: NodeJS.ProcessEnv;
  readonly clock: Clock;
  /** Told once when a message could not be sent. */
  readonly onFailure: (message: string) => void;
};

/** Opens the channel that NOTIFY_SOCKET names; undefined where there is none, or it cannot be opened (which is told). */
export async function openServiceManager(options: ServiceManagerOptions): Promise<ServiceManager | undefined> {
  const { environment, onFailure } = options;
  const path = environment['NOTIFY_SOCKET'];
  const feedMs = feedIntervalMs(environment, process.pid, process.ppid);
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[name];
  if (path === undefined || path === '') return undefined;
  try {
    const socket = await openSocket(path);
    return new NotifySocket(socket, feedMs, options);
  } catch (error) {
    onFailure(`the service manager at ${path} cannot be told anything: ${messageOf(error)}`);
    return undefined;
  }
}

/**
 * How often the watchdog wants to hear of us: half of WATCHDOG_USEC, as sd_watchdog_enabled(3) advises, in ms. Undefined
 * where there is no watchdog, or it is another process's. Our parent's is ours: it is the same program with another heap.
 */
export function feedIntervalMs(environment: NodeJS.ProcessEnv, ...pids: readonly number[]): number | undefined {
  const microseconds = Number(environment['WATCHDOG_USEC']);
  if (!Number.isInteger(microseconds) || microseconds <= 0) return undefined;
  const owner = environment['WATCHDOG_PID'];
  if (owner !== undefined && !pids.includes(Number(owner))) return undefined;
  return microseconds / 2000;
}

class NotifySocket implements ServiceManager {
  readonly #socket: DatagramSocket;
  readonly #feedMs: number | undefined;
  readonly #options: ServiceManagerOptions;
  #cancelFeed: () => void = () => undefined;
  #hasFailed = false;

  constructor(socket: DatagramSocket, feedMs: number | undefined, options: ServiceManagerOptions) {
    this.#socket = socket;
    this.#feedMs = feedMs;
    this.#options = options;
  }

  ready(status: string): void {
    this.#send(`READY=1\nSTATUS=${oneLine(status)}`);
    this.#feed();
  }

  status(text: string): void {
    this.#send(`STATUS=${oneLine(text)}`);
  }

  stopping(): void {
    this.#send('STOPPING=1\nSTATUS=stopping: running requests may finish');
  }

  close(): void {
    this.#cancelFeed();
    this.#socket.close();
  }

  /** A beat says that the event loop turns, which is what every request depends on. */
  #feed(): void {
    if (this.#feedMs === undefined) return;
    this.#send('WATCHDOG=1');
    this.#cancelFeed = this.#options.clock.after(this.#feedMs, () => this.#feed());
  }

  #send(message: string): void {
    const fault = this.#socket.send(message);
    if (fault === undefined || this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.onFailure(`the service manager does not take messages: ${fault}`);
  }
}

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ');

type DatagramSocket = {
  /** The system's words where it did not go out. */
  readonly send: (message: string) => string | undefined;
  readonly close: () => void;
};

// Numbers of the Linux ABI that are the same on x86 and ARM.
const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2_000_000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Size of `sun_path`. */
const PATH_BYTES_MAX = 108;

async function openSocket(path: string): Promise<DatagramSocket> {
  const { default: koffi } = await import('koffi');
  const address = socketAddress(path);
  // null: what this process has loaded already, which libc is part of, whatever its file is called.
  const libc = koffi.load(null);
  const socket = libc.func('int socket(int domain, int type, int protocol)');
  const sendTo = libc.func(
    'intptr_t sendto(int fd, const void *data, size_t length, int flags, const void *address, unsigned int addressLength)',
  );
  const close = libc.func('int close(int fd)');
  const words = () => `errno ${koffi.errno()}`;
  const descriptor: number = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (descriptor < 0) throw new Error(`no socket: ${words()}`);
  return {
    send: (message) => {
      const data = Buffer.from(message);
      // A full queue must not stop the gateway: the next beat comes soon enough.
      const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
      return sendTo(descriptor, data, data.length, flags, address, address.length) === data.length
        ? undefined
        : words();
    },
    close: () => void close(descriptor),
  };
}

/** `sockaddr_un`: the family in the machine's byte order, then the path; a leading `@` means the abstract namespace. */
function socketAddress(path: string): Buffer {
  const name = Buffer.from(path.startsWith('@') ? `\0${path.slice(1)}` : path);
  if (!/^[/@]/.test(path)) throw new Error('NOTIFY_SOCKET is neither an absolute path nor an abstract name');
  if (name.length > PATH_BYTES_MAX) throw new Error(`the path has more than ${PATH_BYTES_MAX} bytes`);
  const family = Buffer.from(new Uint16Array([AF_UNIX]).buffer);
  return Buffer.concat([family, name]);
}
