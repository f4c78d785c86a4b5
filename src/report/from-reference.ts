import { friendlyName } from '../core/names.ts';
import type { Policy } from '../core/policy.ts';
import { resolveProfile } from '../core/profile.ts';
import { entryRows, fileModelName, type ReferenceEntry, type ReferenceTable } from '../store/reference.ts';
import { modelReports } from './model-report.ts';
import type { MachineReport, ModelSource, TuneTable } from './report.ts';

/**
 * The published tables, one machine per board. Qualities are the policy's own, of models whose file goes by the same
 * name; the tables have none.
 */
export function fromReference(table: ReferenceTable, policy: Policy): readonly MachineReport[] {
  const boards = [...new Set(table.entries.map(({ board }) => board))];
  return boards.map((board) => {
    const entries = table.entries.filter((entry) => entry.board === board);
    const memoryBytes = entries[0]?.boardMemoryBytes;
    const memoryBudgetBytes = memoryBytes === undefined ? undefined : memoryBytes - policy.machine.reserveBytes;
    const sources = entries
      .filter(({ sweep }) => sweep === undefined)
      .map((entry, _, all) => sourceOf(entry, all, policy));
    return {
      name: board,
      facts: [['figures', 'published by others, not measured by this project']],
      source: `published tables (${[...new Set(entries.map(({ source }) => source.split(':')[0] ?? source))].join(', ')})`,
      memoryBudgetBytes,
      models: modelReports(sources, { policy, memoryBudgetBytes }),
      pairs: [],
      tunes: entries.flatMap(sweepTable),
      notes: [
        'Samples and intervals were not published.',
        ...(entries.some(({ device, figures }) => device === 'npu' && figures.prefillTokensPerSec !== undefined)
          ? ['NPU prefill rates are published TTFTs, read as those of 128 prompt tokens.']
          : []),
      ],
    };
  });
}

function sourceOf(entry: ReferenceEntry, all: readonly ReferenceEntry[], policy: Policy): ModelSource {
  const known = [...policy.models.values()].find(({ file }) => fileModelName(file) === entry.name);
  const isAmbiguous = all.filter(({ name }) => name === entry.name).length > 1;
  const name = friendlyName(entry.model);
  return {
    model: isAmbiguous && entry.context !== undefined ? `${name} ctx ${entry.context}` : name,
    device: entry.device,
    isNpu: entry.device === 'npu',
    mayChat: known?.classes === undefined || known.classes.includes('interactive'),
    profile: resolveProfile(entryRows(entry)),
    qualityPrior: known?.quality,
    ...{ ttft: [], sustained: [], simulated: false, stale: [] },
    published: entry.published,
  };
}

function sweepTable({ model, sweep, figures }: ReferenceEntry): readonly TuneTable[] {
  if (sweep === undefined) return [];
  const { threads, cpus, flashAttention, promptTokens, outputTokens, wallS } = sweep;
  return [
    {
      model: friendlyName(model),
      objective: `${promptTokens} prompt tokens, ${outputTokens} generated`,
      axes: ['threads', 'cpus', 'flash_attention'],
      trials: [
        {
          settings: { threads: String(threads), cpus, flash_attention: flashAttention ? 'on' : 'off' },
          promptTps: figures.prefillTokensPerSec,
          decodeTps: figures.decodeTokensPerSec,
          wallS,
          ...{ ttftMs: undefined, peakRssBytes: undefined, objectiveMs: undefined },
          status: 'winner',
        },
      ],
      conclusion: 'Only the winner was published.',
    },
  ];
}
