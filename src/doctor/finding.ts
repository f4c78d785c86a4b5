/** How much a finding matters. `error`: something that the policy asks for cannot work; `warn`: it works, but worse. */
export type Severity = 'ok' | 'info' | 'warn' | 'error';

/** What `sluice doctor` says of one thing. */
export type Finding = {
  /** One of {@link FINDING_IDS}, followed by `/` and its subject where there are several; docs/troubleshooting.md explains each. */
  readonly id: string;
  readonly severity: Severity;
  readonly title: string;
  /** What was found, with its figures. */
  readonly measured: string;
  /** What it means, with the figure that says so. */
  readonly why: string;
  /** A command or an edit that mends it; '' where nothing is to be done. */
  readonly remedy: string;
};

/** Everything that is looked at, in the order of the report. */
export const FINDING_IDS = [
  'policy',
  'chip',
  'cpu-cores',
  'kernel',
  'npu-driver',
  'npu-access',
  'npu-library',
  'npu-memory',
  'cpu-clock',
  'npu-clock',
  'ddr-clock',
  'gpu-clock',
  'temperature',
  'throttling',
  'fan',
  'load',
  'memory',
  'memory-fit',
  'swap',
  'storage',
  'data-folder',
  'database',
  'open-files',
  'llama-server',
  'taskset',
  'setpriv',
  'cold-load-tools',
  'system-clock',
  'port',
  'kernel-network',
  'models',
  'model-missing',
  'model-file',
  'model-size',
] as const;
/** One of {@link FINDING_IDS}. */
export type FindingId = (typeof FINDING_IDS)[number];

/** The id of a finding about one of several: `model-missing/qwen3.5-4b`. */
export const about = (id: FindingId, subject: string): `${FindingId}/${string}` => `${id}/${subject}`;

/** The part of a finding's id that docs/troubleshooting.md has a heading for. */
export const kindOf = (finding: Finding): string => finding.id.split('/', 1)[0] ?? finding.id;

type Id = FindingId | `${FindingId}/${string}`;
type Fact = Pick<Finding, 'title' | 'measured' | 'why'>;

/** Nothing to be done. */
export const fine = (id: Id, fact: Fact): Finding => ({ id, severity: 'ok', ...fact, remedy: '' });

/** Worth knowing; `remedy` where something could be had better. */
export const note = (id: Id, fact: Fact, remedy = ''): Finding => ({ id, severity: 'info', ...fact, remedy });

/** Works, but worse than it could. */
export const warning = (id: Id, fact: Fact, remedy: string): Finding => ({ id, severity: 'warn', ...fact, remedy });

/** Does not work. */
export const fault = (id: Id, fact: Fact, remedy: string): Finding => ({ id, severity: 'error', ...fact, remedy });
