import { type Finding, type FindingId, fine, note, warning } from '../finding.ts';
import { FIXED_CLOCKS, type FixedClocks } from '../fixed-clocks.ts';
import { clusterName, type Host, npuModels } from '../host.ts';

type Clock = {
  readonly name: string;
  readonly governor: string | undefined;
  readonly currentKhz: number | undefined;
  readonly maxKhz: number | undefined;
  /** What the hardware can, where the kernel says. */
  readonly hardwareKhz: number | undefined;
  readonly publishedKhz: number | undefined;
  /** File the governor is set by. */
  readonly governorFile: string;
};

/** Governors that hold a clock; `userspace` is how Rockchip's own scripts fix it. */
export const STEADY: readonly string[] = ['performance', 'userspace'];
/** Chips differ: of RK3588s some reach 2256 MHz where others do 2400. A clock further below the published one is held down. */
const BELOW = 0.95;

/** Governors and clocks of CPU, NPU, memory and GPU against those the published figures were taken with. */
export function checkClocks(host: Host): readonly Finding[] {
  const published = host.soc === undefined ? undefined : FIXED_CLOCKS[host.soc.id];
  const cpus = cpuClocks(host, published);
  const devices = (pattern: RegExp, khz: number | undefined) => deviceClocks(host, pattern, khz);
  const ddr = devices(/^dmc/, published?.ddrKhz);
  return [
    cpus.length === 0 ? noCpuClocks() : judge('cpu-clock', cpus, host),
    ...some('npu-clock', devices(/npu/, published?.npuKhz), host),
    ...(ddr.length === 0 && host.soc !== undefined ? [noMemoryClock()] : some('ddr-clock', ddr, host)),
    ...some('gpu-clock', devices(/gpu/, published?.gpuKhz), host),
  ];
}

function cpuClocks({ files }: Host, published: FixedClocks | undefined): readonly Clock[] {
  const folder = 'sys/devices/system/cpu/cpufreq';
  return files.names(folder, /^policy\d+$/).map((policy) => {
    const at = (name: string) => `${folder}/${policy}/${name}`;
    const first = Number(policy.slice('policy'.length));
    return {
      name: clusterName(files, policy),
      governor: files.text(at('scaling_governor')),
      currentKhz: files.number(at('scaling_cur_freq')),
      maxKhz: files.number(at('scaling_max_freq')),
      hardwareKhz: files.number(at('cpuinfo_max_freq')),
      publishedKhz: published?.cpuKhz[first],
      governorFile: at('scaling_governor'),
    };
  });
}

function deviceClocks({ files }: Host, pattern: RegExp, publishedKhz: number | undefined): readonly Clock[] {
  const folder = 'sys/class/devfreq';
  return files.names(folder, pattern).map((device) => {
    const khz = (name: string) => {
      const hertz = files.number(`${folder}/${device}/${name}`);
      return hertz === undefined ? undefined : hertz / 1000;
    };
    const steps = (files.text(`${folder}/${device}/available_frequencies`) ?? '').split(/\s+/).map(Number);
    const highest = Math.max(0, ...steps) / 1000;
    return {
      name: device,
      governor: files.text(`${folder}/${device}/governor`),
      currentKhz: khz('cur_freq'),
      maxKhz: khz('max_freq'),
      hardwareKhz: highest > 0 ? highest : undefined,
      publishedKhz,
      governorFile: `${folder}/${device}/governor`,
    };
  });
}

const TITLES = {
  'cpu-clock': 'CPU clocks',
  'npu-clock': 'NPU clock',
  'ddr-clock': 'memory clock',
  'gpu-clock': 'GPU clock',
} as const satisfies Partial<Record<FindingId, string>>;
type ClockId = keyof typeof TITLES;

const some = (id: ClockId, clocks: readonly Clock[], host: Host): readonly Finding[] =>
  clocks.length === 0 ? [] : [judge(id, clocks, host)];

function judge(id: ClockId, clocks: readonly Clock[], host: Host): Finding {
  const title = TITLES[id];
  const measured = clocks.map(clockText).join('; ');
  const moving = clocks.filter(({ governor }) => governor !== undefined && !STEADY.includes(governor));
  const capped = clocks.filter((clock) => below(clock.maxKhz, reachable(clock)));
  const held = clocks.filter((clock) => clock.governor === 'userspace' && below(clock.currentKhz, reachable(clock)));
  if (moving.length === 0 && capped.length === 0 && held.length === 0) {
    return fine(id, { title, measured, why: steadyText(clocks) });
  }
  const why = [
    ...(moving.length > 0 ? [`the governor moves the clock with the load, so ${CONSEQUENCES[id]}`] : []),
    ...[...capped, ...held]
      .slice(0, 1)
      .map(
        ({ name, publishedKhz }) =>
          `${name}: below the ${megahertz(publishedKhz)} that the published figures were taken with`,
      ),
  ].join('; ');
  const remedy = governorCommand(id, moving.length > 0 ? moving : [...capped, ...held]);
  // Without published figures for the chip, or for a device no model runs on, it is a matter of taste.
  const matters = host.soc !== undefined && id !== 'gpu-clock' && (id !== 'npu-clock' || npuModels(host).length > 0);
  return matters ? warning(id, { title, measured, why }, remedy) : note(id, { title, measured, why }, remedy);
}

const CONSEQUENCES: Readonly<Record<ClockId, string>> = {
  'cpu-clock': 'short requests run before it has risen, and benchmarks repeat badly',
  'npu-clock': 'first tokens come late, and benchmarks repeat badly',
  'ddr-clock':
    'decoding, which memory bounds, is slow at first: boards with a slow memory clock decoded up to 85 % slower',
  'gpu-clock': 'a model on the GPU would start slowly; without one it is of no consequence',
};

/** The published clock, or the highest this chip has. */
const reachable = ({ publishedKhz, hardwareKhz }: Clock): number | undefined =>
  publishedKhz === undefined || hardwareKhz === undefined ? publishedKhz : Math.min(publishedKhz, hardwareKhz);

const below = (khz: number | undefined, publishedKhz: number | undefined): boolean =>
  khz !== undefined && publishedKhz !== undefined && khz < publishedKhz * BELOW;

const steadyText = (clocks: readonly Clock[]): string =>
  clocks.some(({ publishedKhz }) => publishedKhz !== undefined)
    ? 'steady, and as high as for the published figures'
    : 'steady';

const megahertz = (khz: number | undefined): string => (khz === undefined ? '?' : `${Math.round(khz / 1000)} MHz`);

const clockText = ({ name, governor, currentKhz, maxKhz }: Clock): string =>
  `${name} ${governor ?? 'governor unknown'}, ${megahertz(currentKhz)} of ${megahertz(maxKhz)}`;

function governorCommand(id: ClockId, clocks: readonly Clock[]): string {
  const capped = clocks.find(({ governor }) => governor !== undefined && STEADY.includes(governor));
  if (capped !== undefined) return `raise the cap: see throttling, and "grep . /${folderOf(capped)}/*freq*"`;
  const files = clocks.map(({ governorFile }) => `/${governorFile}`).join(' ');
  return `echo performance | sudo tee ${files}${id === 'gpu-clock' ? '' : ' (or "sudo sluice doctor --fix --yes"; lasts until the next boot)'}`;
}

const folderOf = ({ governorFile }: Clock): string => governorFile.slice(0, governorFile.lastIndexOf('/'));

const noCpuClocks = (): Finding =>
  note('cpu-clock', {
    title: TITLES['cpu-clock'],
    measured: 'the kernel shows none (no cpufreq)',
    why: 'usual in a virtual machine: the host decides, and figures move with what else it does',
  });

const noMemoryClock = (): Finding =>
  warning(
    'ddr-clock',
    {
      title: TITLES['ddr-clock'],
      measured: 'the kernel shows none (no /sys/class/devfreq/dmc)',
      why: 'without it the memory may stay at a low clock: reports of up to 85 % slower decode',
    },
    'use an image whose kernel has the dmc driver (Rockchip 6.1, Armbian vendor), or compare decode rates with the published ones: sluice report --reference',
  );

/** Files that hold a governor which moves clocks, for `--fix`: of CPU, NPU and memory, and only where `performance` exists. */
export function movingGovernors(host: Host): readonly { readonly file: string; readonly id: FindingId }[] {
  const found = [
    ...cpuClocks(host, undefined).map((clock) => ({ clock, id: 'cpu-clock' as const })),
    ...deviceClocks(host, /npu/, undefined).map((clock) => ({ clock, id: 'npu-clock' as const })),
    ...deviceClocks(host, /^dmc/, undefined).map((clock) => ({ clock, id: 'ddr-clock' as const })),
  ];
  return found.flatMap(({ clock: { governor, governorFile }, id }) => {
    if (governor === undefined || STEADY.includes(governor)) return [];
    const list = governorFile
      .replace(/scaling_governor$/, 'scaling_available_governors')
      .replace(/\/governor$/, '/available_governors');
    const offered = host.files.text(list)?.split(/\s+/) ?? [];
    return offered.includes('performance') ? [{ file: governorFile, id }] : [];
  });
}
