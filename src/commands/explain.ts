import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { GatewayError } from '../core/errors.ts';
import { formatDurationMs } from '../core/format.ts';
import type { encodeExplanation, encodeRecord } from '../http/explanation.ts';
import { formatTable } from './format-table.ts';
import { addClientOptions, askRunning, type ClientOptions } from './gateway-options.ts';

type Explanation = ReturnType<typeof encodeExplanation>;
type Remembered = ReturnType<typeof encodeRecord>;
type ExplainOptions = ClientOptions & { readonly request?: string };

/** Adds `sluice explain`: which model a request would go to and why, without running it. */
export function registerExplainCommand(program: Command): void {
  const command = program
    .command('explain')
    .description(
      'say where a chat completion request (JSON on standard input) would go, or why a past one went where it went',
    )
    .option('--request <id>', 'explain this past request (its x-request-id), prediction against outcome')
    .addHelpText(
      'after',
      `
Example: echo '{"model":"auto","messages":[{"role":"user","content":"hi"}]}' | sluice explain
         sluice explain --request req_1a2b3c`,
    );
  addClientOptions(command).action(async (_: unknown, self: Command) => {
    const options: ExplainOptions = self.optsWithGlobals();
    if (options.request !== undefined) {
      const path = `/router/decisions/${encodeURIComponent(options.request)}`;
      const record = (await askRunning(options, path)) as Remembered;
      console.log(options.json === true ? JSON.stringify(record, null, 2) : describeRecord(record));
      return;
    }
    if (process.stdin.isTTY) {
      throw new GatewayError('usage', 'give the request as JSON on standard input, or --request ID for a past one');
    }
    const answer = (await askRunning(options, '/router/explain', await text(process.stdin))) as Explanation;
    console.log(options.json === true ? JSON.stringify(answer, null, 2) : describe(answer));
  });
}

function describe(answer: Explanation): string {
  const { slo, tokens } = answer;
  const targets = [
    slo.ttft_ms === null ? undefined : `TTFT ${formatDurationMs(slo.ttft_ms)}`,
    slo.e2e_ms === null ? undefined : `E2E ${formatDurationMs(slo.e2e_ms)}`,
    `quality >= ${slo.min_quality}`,
  ].filter((part) => part !== undefined);
  return [
    `class ${answer.class}, task ${answer.task}`,
    ...answer.reasons.map(({ rule, detail }) => `  ${rule}: ${detail}`),
    `targets: ${targets.join(', ')} (${slo.source})`,
    `tokens: prompt ${tokens.prompt ?? '?'} (${tokens.prompt_basis ?? 'unknown'}), output ${tokens.output ?? '?'} (${tokens.output_basis ?? 'unknown'})`,
    answer.chosen === null
      ? `refused: ${answer.refusal?.message ?? ''}`
      : `chosen: ${answer.chosen.reason}${answer.degraded ? ' (degraded)' : ''}${answer.explored ? ' (explored)' : ''}`,
    '',
    ...candidateTable(answer.candidates, answer.chosen?.model),
    ...answer.candidates.flatMap(({ model, stale }) =>
      stale.length === 0 ? [] : [`${model}: figures of another machine state: ${stale.join('; ')}`],
    ),
  ].join('\n');
}

function describeRecord(record: Remembered): string {
  const { slo, predicted, actual, error, outcome } = record;
  const ended = outcome.kind === 'ok' ? `ok, targets ${outcome.slo_met ? 'met' : 'missed'}` : outcome.kind;
  const line = (name: string, promisedMs: number | undefined, actualMs: number | undefined, off: number | null) => [
    name,
    ms(promisedMs),
    ms(actualMs),
    off === null ? '' : `${off >= 0 ? '+' : ''}${Math.round(off * 100)} %`,
  ];
  return [
    `${record.request_id}: class ${record.class}, task ${record.task}, ${record.client}, ${record.received_at}`,
    ...record.reasons.map(({ rule, detail }) => `  ${rule}: ${detail}`),
    slo === null
      ? 'targets: not kept'
      : `targets: TTFT ${ms(slo.ttft_ms ?? undefined) || 'none'}, E2E ${ms(slo.e2e_ms ?? undefined) || 'none'} (${slo.source})`,
    `${record.model === null ? 'refused' : 'chosen'}: ${record.reason}${record.explored ? ' (explored)' : ''}`,
    `outcome: ${ended}`,
    '',
    ...formatTable(
      ['', 'predicted', 'actual', 'off'],
      [
        line('wait', predicted?.wait_ms, actual.queue_ms, null),
        line('load', predicted?.load_ms, actual.load_ms, null),
        line('prefill', predicted?.prefill_ms, actual.prefill_ms, null),
        line('decode', predicted?.decode_ms, actual.decode_ms, null),
        line('TTFT', predicted?.ttft_ms, actual.ttft_ms, error.ttft),
        line('E2E', predicted?.e2e_ms, actual.e2e_ms, error.e2e),
      ],
    ),
    '',
    ...candidateTable(record.candidates, record.model ?? undefined),
  ].join('\n');
}

const ms = (value: number | undefined): string => (value === undefined ? '' : formatDurationMs(value));

type ShownCandidate = Remembered['candidates'][number];

function candidateTable(candidates: readonly ShownCandidate[], chosen: string | undefined): readonly string[] {
  const rows = candidates.map(({ model, quality, utility, predicted, feasible, reason }) => [
    `${model === chosen ? '>' : ' '} ${model}`,
    quality.toFixed(2),
    utility === null ? '' : utility.toFixed(2),
    ms(predicted?.wait_ms),
    ms(predicted?.load_ms),
    ms(predicted?.ttft_ms),
    ms(predicted?.e2e_ms),
    predicted === null ? '' : basisOf(predicted),
    feasible ? 'yes' : 'no',
    reason,
  ]);
  const head = ['  model', 'quality', 'utility', 'wait', 'load', 'TTFT', 'E2E', 'basis', 'feasible', 'reason'];
  return formatTable(head, rows);
}

// `measured x1.2`: what the figures are, and what traffic has made of them.
function basisOf({ basis, calibration, drift }: NonNullable<ShownCandidate['predicted']>): string {
  const factor = calibration.n === 0 ? '' : ` x${calibration.decode.toFixed(2)}`;
  return `${basis}${factor}${drift === 'drifting' ? ', drifting' : ''}`;
}
