import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { GatewayError } from '../core/errors.ts';
import { formatDurationMs } from '../core/format.ts';
import type { encodeExplanation } from '../http/explanation.ts';
import { formatTable } from './format-table.ts';
import { addClientOptions, askRunning, type ClientOptions } from './gateway-options.ts';

type Explanation = ReturnType<typeof encodeExplanation>;

/** Adds `sluice explain`: which model a request would go to and why, without running it. */
export function registerExplainCommand(program: Command): void {
  const command = program
    .command('explain')
    .description('read a chat completion request (JSON) on standard input and say where it would go')
    .addHelpText(
      'after',
      `\nExample: echo '{"model":"auto","messages":[{"role":"user","content":"hi"}]}' | sluice explain`,
    );
  addClientOptions(command).action(async (_: unknown, self: Command) => {
    const options: ClientOptions = self.optsWithGlobals();
    if (process.stdin.isTTY) throw new GatewayError('usage', 'give the request as JSON on standard input');
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
  const rows = answer.candidates.map(({ model, quality, predicted, feasible, reason }) => [
    `${model === answer.chosen?.model ? '>' : ' '} ${model}`,
    quality.toFixed(2),
    predicted === null ? '' : formatDurationMs(predicted.ttft_ms),
    predicted === null ? '' : formatDurationMs(predicted.e2e_ms),
    predicted?.basis ?? '',
    feasible ? 'yes' : 'no',
    reason,
  ]);
  return [
    `class ${answer.class}, task ${answer.task}`,
    ...answer.reasons.map(({ rule, detail }) => `  ${rule}: ${detail}`),
    `targets: ${targets.join(', ')} (${slo.source})`,
    `tokens: prompt ${tokens.prompt ?? '?'} (${tokens.prompt_basis ?? 'unknown'}), output ${tokens.output ?? '?'} (${tokens.output_basis ?? 'unknown'})`,
    answer.chosen === null
      ? `refused: ${answer.refusal?.message ?? ''}`
      : `chosen: ${answer.chosen.reason}${answer.degraded ? ' (degraded)' : ''}`,
    '',
    ...formatTable(['  model', 'quality', 'TTFT', 'E2E', 'basis', 'feasible', 'reason'], rows),
  ].join('\n');
}
