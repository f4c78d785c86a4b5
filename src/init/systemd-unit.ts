import { OWN_ENVIRONMENT } from '../core/own-environment.ts';

/** What a unit file depends on. */
export type UnitOptions = {
  /** Program and its first arguments; absolute paths. */
  readonly program: readonly string[];
  /** Absolute path of the policy. */
  readonly policyFile: string;
  /** A service of the whole machine under its own user, or of the user who installs it. */
  readonly scope: 'system' | 'user';
  /** The policy has models on an NPU (or could get some), so its devices are let in. */
  readonly npu: boolean;
  /** Programs or models lie in somebody's home, which is then readable. */
  readonly readsHomes: boolean;
};

/**
 * The unit file of a gateway. A system service gets the hardening that a program with a just-in-time compiler and model
 * processes can live with; a user's service only what a user's manager can enforce.
 */
export function systemdUnit(options: UnitOptions): string {
  const { scope } = options;
  const blocks = [
    ['[Unit]', ...UNIT, ...(scope === 'system' ? ['After=network.target'] : [])],
    ['[Service]', ...service(options)],
    ...(scope === 'system'
      ? [devices(options), confinement(options)]
      : [['# A gateway never needs more rights than it was started with.', 'NoNewPrivileges=yes']]),
    limits(options),
    ['[Install]', `WantedBy=${scope === 'system' ? 'multi-user.target' : 'default.target'}`],
  ];
  return `# Written by "sluice install"; change it with "systemctl${scope === 'user' ? ' --user' : ''} edit sluice".\n${blocks.map((lines) => `${lines.join('\n')}\n`).join('\n')}`;
}

const UNIT = [
  'Description=Sluice, a gateway in front of local model runtimes',
  '# Five starts in a minute that fail are a fault that starting again does not mend.',
  'StartLimitIntervalSec=60',
  'StartLimitBurst=5',
];

function service({ program, policyFile, scope }: UnitOptions): readonly string[] {
  // What a user's manager means by a state directory has changed between its versions, so the path is spelt out.
  const data = scope === 'system' ? '/var/lib/sluice' : '%h/.local/state/sluice';
  const words = [...program.map(argument), '--policy', argument(policyFile), '--data', data, 'serve'];
  const system = [
    'User=sluice',
    'Group=sluice',
    'ConfigurationDirectory=sluice',
    '# API keys: NAME=value lines, readable for root only; systemd reads them before it gives up its rights.',
    'EnvironmentFile=-/etc/sluice/environment',
    'Environment=SLUICE_CACHE=/var/cache/sluice',
    '# Upgrades and restarts keep these: SQLite, benchmark results, logs, and an installed llama.cpp.',
    'StateDirectory=sluice',
    'StateDirectoryMode=0750',
    'CacheDirectory=sluice',
    'WorkingDirectory=/var/lib/sluice',
  ];
  return [
    '# Up when it listens; hung when its event loop has not turned for so long.',
    'Type=notify',
    '# With another machine.node_heap than its own the gateway is a child of the process that systemd started.',
    'NotifyAccess=all',
    'WatchdogSec=30s',
    '# For the gateway alone; it does not pass this on to the models. As in the first line of its cli.js.',
    ...Object.entries(OWN_ENVIRONMENT).map(([name, value]) => `Environment=${name}=${value}`),
    `ExecStart=${words.join(' ')} --log-format json`,
    'ExecReload=/bin/kill -HUP $MAINPID',
    ...(scope === 'system' ? system : []),
    'Restart=on-failure',
    'RestartSec=2s',
    '# The gateway drains its requests and stops its models itself; what then is left is killed.',
    'KillMode=mixed',
    'TimeoutStopSec=90s',
    '# A model that the kernel killed for memory is restarted by the gateway, which must not go down with it.',
    'OOMPolicy=continue',
  ];
}

function devices({ npu }: UnitOptions): readonly string[] {
  if (!npu) return ['PrivateDevices=yes', 'DevicePolicy=closed'];
  return [
    '# The NPU, under whichever of these names its driver has, and the memory it shares with the CPU; nothing else.',
    'DevicePolicy=closed',
    'DeviceAllow=/dev/dri/renderD128 rw',
    'DeviceAllow=/dev/dri/renderD129 rw',
    'DeviceAllow=/dev/rknpu rw',
    'DeviceAllow=char-dma_heap rw',
    'SupplementaryGroups=render video',
  ];
}

function confinement({ npu, readsHomes }: UnitOptions): readonly string[] {
  return [
    'NoNewPrivileges=yes',
    'CapabilityBoundingSet=',
    'AmbientCapabilities=',
    'ProtectSystem=strict',
    `ProtectHome=${readsHomes ? 'read-only' : 'yes'}`,
    'PrivateTmp=yes',
    // Groups of other users, which open the NPU's devices, are lost in a private user namespace.
    ...(npu ? [] : ['PrivateUsers=yes']),
    'ProtectKernelTunables=yes',
    'ProtectKernelModules=yes',
    'ProtectKernelLogs=yes',
    'ProtectControlGroups=yes',
    'ProtectClock=yes',
    'ProtectHostname=yes',
    'ProtectProc=invisible',
    'PrivateIPC=yes',
    'RemoveIPC=yes',
    'LockPersonality=yes',
    'RestrictRealtime=yes',
    'RestrictSUIDSGID=yes',
    'RestrictNamespaces=yes',
    'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK',
    'SystemCallArchitectures=native',
    '# @resources stays: taskset and llama.cpp set CPU affinity and priority. MemoryDenyWriteExecute cannot be set: V8',
    '# compiles while it runs.',
    'SystemCallFilter=@system-service',
    'SystemCallFilter=~@privileged',
    'SystemCallErrorNumber=EPERM',
    'KeyringMode=private',
    'UMask=0027',
  ];
}

function limits({ scope }: UnitOptions): readonly string[] {
  return [
    '# The gateway keeps all models below machine.memory; this is for when that fails, so that the machine survives it.',
    'MemoryMax=95%',
    'TasksMax=1024',
    '# A socket for every client and for every request to a model.',
    'LimitNOFILE=65536',
    ...(scope === 'system' ? ['# For load_mode mlock.', 'LimitMEMLOCK=infinity', 'LimitCORE=0'] : []),
  ];
}

/** As systemd reads a word of a command line: `%` and `$` doubled, in double quotes where it holds anything unusual. */
function argument(word: string): string {
  const escaped = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  if (/^[\w/.%$:=@+-]+$/.test(escaped)) return escaped;
  return `"${escaped.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

/** The system user of the service, for systemd-sysusers(8); the groups that own the NPU's devices exist wherever the unit names them. */
export const SYSUSERS = `# The gateway's user.
u sluice - "Sluice gateway" /var/lib/sluice
g render -
g video -
`;
