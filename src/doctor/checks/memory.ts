import { formatBytes } from '../../core/format.ts';
import { type Finding, fault, fine, note, warning } from '../finding.ts';
import type { Host } from '../host.ts';
import { type LookedModel, memoryOf } from '../look-at-models.ts';

/** Memory against what the models take, what fits together, and swap. */
export function checkMemory(host: Host): readonly Finding[] {
  const sized = host.models.flatMap((looked) => {
    const need = memoryOf(looked);
    return need === undefined ? [] : [{ ...looked, bytes: need.value, provenance: need.provenance }];
  });
  // A simulated model takes next to nothing of this machine; what fits together is asked of the board it stands for.
  const real = sized.filter(({ kind }) => kind !== 'simulated');
  return [memory(host, real), ...together(host, sized), swap(host)];
}

type Sized = LookedModel & { readonly bytes: number; readonly provenance: string };

const isResident = ({ model }: LookedModel): boolean => model.keep.kind === 'resident';

const sumOf = (models: readonly Sized[]): number => models.reduce((sum, { bytes }) => sum + bytes, 0);

function memory({ machine, state, policy, budgetBytes, files }: Host, sized: readonly Sized[]): Finding {
  const title = 'memory';
  if (machine.memoryBytes === undefined || budgetBytes === undefined) {
    return note('memory', { title, measured: 'unknown', why: '/proc/meminfo cannot be read' });
  }
  const available = state.memoryAvailableBytes;
  const reserve = policy.kind === 'valid' ? policy.policy.machine.reserveBytes : 0;
  const measured = [
    `${formatBytes(machine.memoryBytes)}`,
    ...(available === undefined ? [] : [`${formatBytes(available)} available now`]),
    ...(policy.kind === 'valid' ? [`${formatBytes(budgetBytes)} for models (reserve ${formatBytes(reserve)})`] : []),
  ].join(', ');
  if (policy.kind === 'valid' && budgetBytes > machine.memoryBytes) {
    const why = 'the policy gives models more memory than the machine has, so the kernel will kill what it finds';
    return fault('memory', { title, measured, why }, `set machine.memory to auto in ${files.shown(policy.file)}`);
  }
  const residents = sized.filter(isResident);
  const largest = Math.max(0, ...sized.map(({ bytes }) => bytes).filter((bytes) => bytes <= budgetBytes));
  // Residents that do not fit at all are another finding.
  const residentBytes = sumOf(residents);
  const needed = residentBytes <= budgetBytes ? Math.max(residentBytes, largest) : largest;
  if (available !== undefined && needed > available) {
    const why = `models that fit the budget take up to ${formatBytes(needed)}; other programs (or models loaded now) hold the rest, and a load would swap`;
    return note('memory', { title, measured, why }, 'ps -eo rss,comm --sort=-rss | head');
  }
  return fine('memory', {
    title,
    measured,
    why: 'the models share this budget; the gateway itself takes less than 0.13 GB',
  });
}

function together({ budgetBytes, files, policy }: Host, sized: readonly Sized[]): readonly Finding[] {
  const title = 'what fits together';
  if (budgetBytes === undefined || sized.length === 0) return [];
  const residents = sized.filter(isResident);
  const residentBytes = sumOf(residents);
  const named = ({ model, bytes }: Sized) => `${model.id} ${formatBytes(bytes)}`;
  const basis = `memory by ${[...new Set(sized.map(({ provenance }) => provenance))].join(', ')} figures`;
  if (residentBytes > budgetBytes) {
    const measured = `resident: ${residents.map(named).join(' + ')} = ${formatBytes(residentBytes)} of ${formatBytes(budgetBytes)}`;
    const why = `models that are to stay loaded do not fit together, so they will push each other out (${basis})`;
    const file = files.shown(policy.file);
    return [
      warning(
        'memory-fit',
        { title, measured, why },
        `set keep: { idle: 15m } for one of them in ${file}, or shorten its context`,
      ),
    ];
  }
  const others = sized.filter((one) => !isResident(one)).toSorted((a, b) => a.bytes - b.bytes);
  const beside = others.filter(({ bytes }) => residentBytes + bytes <= budgetBytes);
  const alone = others.filter(({ bytes }) => residentBytes + bytes > budgetBytes && bytes <= budgetBytes);
  const measured = [
    residents.length === 0
      ? 'no resident models'
      : `resident: ${residents.map(named).join(' + ')} = ${formatBytes(residentBytes)} of ${formatBytes(budgetBytes)}`,
    ...(beside.length === 0
      ? []
      : [
          `beside them, one at a time or together up to ${formatBytes(budgetBytes - residentBytes)}: ${beside.map(named).join(', ')}`,
        ]),
    ...(alone.length === 0 ? [] : [`only after others have left: ${alone.map(named).join(', ')}`]),
  ].join('; ');
  if (alone.length === 0)
    return [fine('memory-fit', { title, measured, why: `every model fits beside the resident ones (${basis})` })];
  const why = `a model that needs the others' memory costs a load each way: keep it for batches or for those who ask for it (${basis})`;
  return [note('memory-fit', { title, measured, why })];
}

function swap({ files }: Host): Finding {
  const title = 'swap';
  const areas = (files.text('proc/swaps') ?? '')
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields.length >= 4)
    .map(([name = '', , size, used]) => ({ name, sizeBytes: Number(size) * 1024, usedBytes: Number(used) * 1024 }));
  if (areas.length === 0) {
    const why = 'a model that outgrows the memory ends by the out-of-memory killer; the budget keeps them from it';
    return note('swap', { title, measured: 'none', why });
  }
  const measured = areas
    .map(({ name, sizeBytes, usedBytes }) => `${name} ${formatBytes(sizeBytes)}, ${formatBytes(usedBytes)} used`)
    .join('; ');
  const onCard = areas.filter(({ name }) => !name.includes('zram'));
  const used = onCard.reduce((sum, { usedBytes }) => sum + usedBytes, 0);
  if (used > 256e6) {
    const why = 'weights read back from storage for every token make a model as slow as the storage';
    return warning(
      'swap',
      { title, measured, why },
      'free memory (sluice models shows what is loaded), then: sudo swapoff -a && sudo swapon -a',
    );
  }
  const why =
    onCard.length === 0
      ? 'zram compresses in memory: room for idle programs, of no use for weights'
      : 'it catches what is idle; weights never belong there, and the budget does not count it';
  return note('swap', { title, measured, why });
}
