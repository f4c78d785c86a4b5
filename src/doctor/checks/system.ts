import { statSync } from 'node:fs';
import { join } from 'node:path';
import { type Finding, fault, fine, note, warning } from '../finding.ts';
import type { Files, Host } from '../host.ts';

/** File descriptors, clock, the gateway's port and what the kernel's network lacks. */
export async function checkSystem(host: Host): Promise<readonly Finding[]> {
  return [...openFiles(host), systemClock(host), ...(await port(host)), ...kernelNetwork(host)];
}

/** Two per client and one per model's socket, log and file, with room: 1,000 clients on a small bot. */
const OPEN_FILES_WANTED = 4096;

function openFiles({ files }: Host): readonly Finding[] {
  const title = 'open files';
  const [, soft, hard] = /^Max open files\s+(\S+)\s+(\S+)/m.exec(files.text('proc/self/limits') ?? '') ?? [];
  if (soft === undefined || hard === undefined) return [];
  const measured = soft === hard ? `at most ${soft}` : `at most ${soft}, can be raised to ${hard}`;
  // Node raises its own limit to the hard one when it starts.
  const limit = hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
  if (limit >= OPEN_FILES_WANTED) {
    return [
      fine('open-files', {
        title,
        measured,
        why: `${OPEN_FILES_WANTED} are enough for a thousand clients and every model`,
      }),
    ];
  }
  const why = `each client takes two and each model some; from ${limit} on connections are refused (EMFILE)`;
  const remedy = 'ulimit -n 65536 in the shell, LimitNOFILE=65536 in the systemd unit';
  return [warning('open-files', { title, measured, why }, remedy)];
}

/** No machine that runs this lives earlier: boards without a battery wake up in 1970 or on their image's day. */
const EARLIEST_MS = Date.UTC(2026, 0, 1);

function systemClock(host: Host): Finding {
  const { files, tools, policy } = host;
  const title = 'system clock';
  const synchronized = files.exists('run/systemd/timesync/synchronized') || files.exists('run/chrony/chronyd.pid');
  const hardware = hardwareClock(files);
  const words = [
    synchronized ? 'synchronized with a time server' : 'no sign of a time server',
    HARDWARE_CLOCKS[hardware],
  ].join(', ');
  const windows = policy.kind === 'valid' ? policy.policy.classes.batch.window?.text : undefined;
  const uses = `batches${windows === undefined ? '' : ` (${windows})`}, the age of figures and clients' daily limits go by it`;
  const remedy = 'sudo timedatectl set-ntp true, then timedatectl status';
  const nowMs = tools.clock.nowMs();
  const proof = files.live ? proofOfLaterTime(host, nowMs) : undefined;
  if (proof !== undefined) {
    const measured = `${dateText(nowMs)}${proof}, ${words}`;
    const why = `the time is wrong: ${uses}, and certificates are refused`;
    return fault('system-clock', { title, measured, why }, remedy);
  }
  if (synchronized || hardware === 'kept') return fine('system-clock', { title, measured: words, why: uses });
  const why = `after a power cut the clock goes on where it stood: ${uses}`;
  return files.live && !files.exists('run/systemd/timesync')
    ? note('system-clock', { title, measured: words, why }, remedy)
    : warning('system-clock', { title, measured: words, why }, remedy);
}

const HARDWARE_CLOCKS = {
  kept: 'a hardware clock',
  lost: 'a hardware clock that has lost the time (no battery?)',
  none: 'no hardware clock',
} as const;

/** Many boards have the chip and no battery for it. */
function hardwareClock(files: Files): keyof typeof HARDWARE_CLOCKS {
  if (!files.exists('sys/class/rtc/rtc0')) return 'none';
  const seconds = files.number('sys/class/rtc/rtc0/since_epoch');
  return seconds !== undefined && seconds * 1000 < EARLIEST_MS ? 'lost' : 'kept';
}

/** Copies from a machine in another time zone may be some hours ahead. */
const AHEAD_MS = 26 * 3_600_000;

/** What shows that it is later than the clock says; undefined where nothing does. */
function proofOfLaterTime({ policy, dataDir }: Host, nowMs: number): string | undefined {
  if (nowMs < EARLIEST_MS) return '';
  const written = [policy.file, dataDir, join(dataDir, 'sluice.db')].flatMap((path) => {
    const writtenMs = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    return writtenMs > nowMs + AHEAD_MS ? [`, though ${path} was written ${dateText(writtenMs)}`] : [];
  });
  return written[0];
}

const dateText = (ms: number): string => new Date(ms).toISOString();

async function port({ files, policy, tools }: Host): Promise<readonly Finding[]> {
  if (policy.kind !== 'valid') return [];
  const { host, port: wanted } = policy.policy.gateway;
  const title = `port ${wanted}`;
  const tables = ['proc/net/tcp', 'proc/net/tcp6'].map((path) => files.text(path));
  if (tables.every((table) => table === undefined)) return [];
  if (!tables.some((table) => listensOn(table, wanted))) {
    return [fine('port', { title, measured: 'free', why: `the gateway is to listen on ${host}:${wanted}` })];
  }
  const sluice = files.live ? await answersLikeSluice(wanted, tools.clock) : false;
  if (sluice)
    return [
      fine('port', { title, measured: 'a running Sluice listens there', why: 'sluice status shows what it does' }),
    ];
  const remedy = `sudo ss -ltnp 'sport = :${wanted}', then stop that program or change gateway.port`;
  return [
    warning(
      'port',
      { title, measured: 'another program listens there', why: 'sluice serve cannot take it and will not start' },
      remedy,
    ),
  ];
}

/** A row of /proc/net/tcp: number, local address:port in hex, remote, state; 0A listens. */
const listensOn = (table: string | undefined, wanted: number): boolean =>
  (table ?? '').split('\n').some((line) => {
    const [, local = '', , state] = line.trim().split(/\s+/);
    return state === '0A' && Number.parseInt(local.split(':')[1] ?? '', 16) === wanted;
  });

const ANSWER_LIMIT_MS = 2_000;

async function answersLikeSluice(wanted: number, clock: Host['tools']['clock']): Promise<boolean> {
  const stop = new AbortController();
  const cancel = clock.after(ANSWER_LIMIT_MS, () => stop.abort());
  try {
    const answer = await fetch(`http://127.0.0.1:${wanted}/openapi.json`, { signal: stop.signal });
    return (await answer.text()).includes('"Sluice"');
  } catch {
    // Silent, or speaking something else: it is not ours.
    return false;
  } finally {
    cancel();
  }
}

type Feature = {
  readonly name: string;
  readonly module: string;
  readonly option: string;
  readonly signs: readonly string[];
};

const FEATURES: readonly Feature[] = [
  { name: 'TUN', module: 'tun', option: 'CONFIG_TUN', signs: ['dev/net/tun', 'sys/class/misc/tun'] },
  { name: 'iptables', module: 'ip_tables', option: 'CONFIG_IP_NF_IPTABLES', signs: ['proc/net/ip_tables_names'] },
  { name: 'nftables', module: 'nf_tables', option: 'CONFIG_NF_TABLES', signs: [] },
  { name: 'bridge', module: 'bridge', option: 'CONFIG_BRIDGE', signs: [] },
];

function kernelNetwork({ files, machine, soc }: Host): readonly Finding[] {
  if (soc === undefined) return [];
  const title = 'kernel: TUN, packet filter, bridge';
  const has = new Map(FEATURES.map((feature) => [feature.name, offers(files, machine.kernel, feature)]));
  if ([...has.values()].every((one) => one === undefined)) return [];
  // Either packet filter will do.
  const filter = has.get('iptables') === true || has.get('nftables') === true;
  const missing = [
    ...(has.get('TUN') === false ? ['TUN'] : []),
    ...(!filter && has.get('iptables') === false ? ['iptables and nftables'] : []),
    ...(has.get('bridge') === false ? ['bridge'] : []),
  ];
  if (missing.length === 0) {
    return [
      fine('kernel-network', {
        title,
        measured: 'all there',
        why: 'containers can map ports and VPNs have their device',
      }),
    ];
  }
  const remedies = [
    ...(missing.some((name) => name !== 'TUN')
      ? ['docker run --network host with {"iptables": false, "bridge": "none"} in /etc/docker/daemon.json']
      : []),
    ...(missing.includes('TUN') ? ['tailscaled --tun=userspace-networking'] : []),
  ];
  const why =
    'Sluice itself needs none of them; containers have no port mapping and no name service, and Tailscale no device';
  return [note('kernel-network', { title, measured: `missing: ${missing.join(', ')}`, why }, remedies.join('; '))];
}

/** Loaded, built in or loadable: true. Known to be absent: false. Nothing to tell by: undefined. */
function offers(files: Files, release: string | undefined, { module, option, signs }: Feature): boolean | undefined {
  if (signs.some(files.exists) || files.exists(`sys/module/${module}`)) return true;
  const folder = `lib/modules/${release}`;
  const lists = ['modules.builtin', 'modules.dep'].flatMap((name) => files.text(`${folder}/${name}`) ?? []);
  const built = files.text(`boot/config-${release}`);
  if (lists.length === 0 && built === undefined) return undefined;
  if (built !== undefined && new RegExp(`^${option}=[ym]$`, 'm').test(built)) return true;
  return lists.some((list) => new RegExp(`/${module}\\.ko`, 'm').test(list));
}
