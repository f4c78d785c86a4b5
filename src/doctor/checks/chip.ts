import { formatCpuList } from '../../core/format.ts';
import { parseCpuList } from '../../policy/units.ts';
import { type Finding, fine, note, warning } from '../finding.ts';
import { type Host, nameList, npuModels } from '../host.ts';
import type { LookedModel } from '../look-at-models.ts';

/** The chip with its NPU, and whether the settings' CPU masks and thread counts fit its cores. */
export function checkChip(host: Host): readonly Finding[] {
  return [chip(host), ...cpuCores(host)];
}

function chip(host: Host): Finding {
  const { soc, machine } = host;
  const title = 'chip';
  const name = machine.model ?? machine.vendor ?? 'this machine';
  const cpus = machine.cpus === undefined ? '' : `, CPUs ${machine.cpus}`;
  if (soc !== undefined) {
    return fine('chip', {
      title,
      measured: `${name}: ${soc.name}, ${soc.npuCores} NPU ${soc.npuCores === 1 ? 'core' : 'cores'}${cpus}`,
      why: `RKLLM files for ${soc.name} may want up to ${soc.npuCores} NPU cores and come as ${soc.dtypesText}`,
    });
  }
  const measured = `${name}: ${machine.cpuModel ?? 'processor not named'}${cpus}`;
  const wanting = npuModels(host);
  if (wanting.length === 0) {
    return note('chip', { title, measured, why: 'no Rockchip NPU, and none is asked for: models run on the CPU' });
  }
  if (host.library.kind === 'found' && host.library.simulated) {
    const why = `no Rockchip NPU; on the simulator, which pretends (SIMULATED): ${nameList(wanting)}`;
    return note('chip', { title, measured, why });
  }
  return warning(
    'chip',
    { title, measured, why: `no Rockchip NPU: ${nameList(wanting)} cannot run here, the other models can` },
    'set enabled: false for these models, or run Sluice on an RK3588, RK3576, RK3562 or RV1126B board',
  );
}

function cpuCores(host: Host): readonly Finding[] {
  const title = 'CPU masks and threads';
  const online = host.machine.cpus === undefined ? undefined : parseCpuList(host.machine.cpus);
  if (online === undefined || host.models.length === 0) return [];
  const complaints = new Map<string, { readonly why: string; readonly models: LookedModel[] }>();
  // A simulated model runs on no CPU.
  for (const looked of host.models.filter(({ kind }) => kind !== 'simulated')) {
    for (const [complaint, why] of complaintsOf(looked, online, bigCores(host))) {
      const known = complaints.get(complaint)?.models ?? [];
      complaints.set(complaint, { why, models: [...known, looked] });
    }
  }
  if (complaints.size === 0) {
    const measured = `CPUs ${formatCpuList(online)} are online; no setting asks for more`;
    return [fine('cpu-cores', { title, measured, why: 'every mask and thread count fits the cores there are' })];
  }
  const measured = [...complaints].map(([complaint, { models }]) => `${complaint} (${nameList(models)})`).join('; ');
  return [
    warning(
      'cpu-cores',
      {
        title,
        measured,
        why: [...new Set([...complaints.values()].map(({ why }) => why))].join('; '),
      },
      'correct settings.cpus, threads or cpu_mask, or let "sluice tune <model>" find them',
    ),
  ];
}

/** What is wrong with a setting, and why it matters. */
type Complaint = readonly [complaint: string, why: string];

const ABSENT = 'CPUs that do not exist are left out';
const CROWDED = 'more threads than cores wait for each other, and every token is as slow as the last of them';
const LITTLE =
  'between two steps of the NPU the CPU works, and little cores take longer; published figures were taken on the big ones';

function complaintsOf(
  { kind, model: { settings } }: LookedModel,
  online: readonly number[],
  big: readonly number[],
): readonly Complaint[] {
  const isOnline = new Set(online);
  const absent = (cpus: readonly number[]) => cpus.filter((cpu) => !isOnline.has(cpu));
  const found: Complaint[] = [];
  if (kind === 'rkllm') {
    const mask = maskCpus(settings.cpuMask);
    const missing = absent(mask);
    const text = `cpu_mask 0x${(settings.cpuMask ?? 0).toString(16).toUpperCase()}`;
    if (missing.length > 0) found.push([`${text} names CPUs ${formatCpuList(missing)}, which are not online`, ABSENT]);
    else if (mask.length > 0 && big.length > 0 && !mask.some((cpu) => big.includes(cpu)))
      found.push([`${text} leaves out the big cores ${formatCpuList(big)}`, LITTLE]);
    return found;
  }
  const cpus = settings.cpus ?? online;
  const missing = absent(cpus);
  if (missing.length > 0) found.push([`cpus ${formatCpuList(cpus)}: ${formatCpuList(missing)} are not online`, ABSENT]);
  const usable = cpus.length - missing.length;
  if (settings.threads !== undefined && settings.threads > usable)
    found.push([`${settings.threads} threads on ${usable} CPUs`, CROWDED]);
  return found;
}

function maskCpus(mask: number | undefined): readonly number[] {
  return Array.from({ length: 32 }, (_, cpu) => cpu).filter((cpu) => (((mask ?? 0) >>> cpu) & 1) === 1);
}

/** CPUs of the clusters that clock highest; empty where all are alike or nothing is known. */
function bigCores({ files }: Host): readonly number[] {
  const folder = 'sys/devices/system/cpu/cpufreq';
  const clusters = files.names(folder, /^policy\d+$/).map((name) => ({
    cpus: (files.text(`${folder}/${name}/affected_cpus`) ?? '').split(/\s+/).filter(Boolean).map(Number),
    khz: files.number(`${folder}/${name}/cpuinfo_max_freq`) ?? 0,
  }));
  const slowest = Math.min(...clusters.map(({ khz }) => khz));
  return clusters.filter(({ khz }) => khz > slowest * 1.1).flatMap(({ cpus }) => cpus);
}
