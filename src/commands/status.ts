import type { Command } from 'commander';
import { systemClock } from '../core/clock.ts';
import { formatBytes, formatDurationMs } from '../core/format.ts';
import type { encodeStatus } from '../http/status.ts';
import { timeText } from './batch-view.ts';
import { formatTable } from './format-table.ts';
import { addClientOptions, askRunning, type ClientOptions } from './gateway-options.ts';
import { MODEL_HEADER, modelRow } from './model-row.ts';

type Status = ReturnType<typeof encodeStatus>;

/** Adds `sluice status`: what a running gateway is doing. */
export function registerStatusCommand(program: Command): void {
  const command = program.command('status').description('show what a running gateway is doing');
  addClientOptions(command).action(async (_: unknown, self: Command) => {
    const options: ClientOptions = self.optsWithGlobals();
    const status = (await askRunning(options, '/router/status')) as Status;
    console.log(options.json === true ? JSON.stringify(status, null, 2) : describe(status));
  });
}

function describe(status: Status): string {
  const { memory, policy } = status;
  const held = memory.pinned_bytes + memory.evictable_bytes;
  const lines = [
    `sluice ${status.version}, ${status.state} for ${formatDurationMs(status.uptime_s * 1000)}, running requests: ${status.requests_active}`,
    `policy ${policy.file} (${policy.revision})`,
    `memory ${formatBytes(held)} of ${formatBytes(memory.budget_bytes)} held by models; gateway ${formatBytes(memory.gateway_rss_bytes)}`,
  ];
  if (status.simulated !== null) lines.unshift(simulationLine(status.simulated));
  if (policy.error !== null) lines.push(`the policy file as it is now is not in force:\n${policy.error}`);
  for (const lane of status.lanes) {
    lines.push(`lane ${lane.device}: ${lane.running.length} of ${lane.lanes} running, ${lane.waiting.length} waiting`);
  }
  for (const { name, running, today } of status.clients) {
    if (running === 0 && today.requests === 0 && today.refused === 0) continue;
    const tokens = today.prompt_tokens + today.output_tokens;
    lines.push(
      `client ${name}: ${running} running; requests today: ${today.requests}, refused: ${today.refused}, tokens: ${tokens}`,
    );
  }
  lines.push(...status.batches.map((batch) => batchLine(batch, systemClock.nowMs())));
  return [...lines, '', ...formatTable(MODEL_HEADER, status.models.map(modelRow))].join('\n');
}

function batchLine(batch: Status['batches'][number], nowMs: number): string {
  const { id, request_counts: counts, state, paused, in_time: inTime, predicted_finish: finish } = batch;
  const by = timeText(Date.parse(batch.deadline), nowMs);
  const parts = [
    `${counts.completed + counts.failed} of ${counts.total}`,
    paused === null ? (state ?? batch.status) : `paused: ${paused}`,
  ];
  if (inTime !== null && inTime < counts.total) parts.push(`will not finish by ${by}: ${inTime} of ${counts.total}`);
  else if (finish !== null) parts.push(`finishes about ${timeText(Date.parse(finish), nowMs)}, deadline ${by}`);
  return `batch ${id}: ${parts.join(', ')}`;
}

const simulationLine = ({ board, speed, policy_file }: NonNullable<Status['simulated']>): string =>
  `SIMULATED ${board} at ${speed} times its speed, no model runs; all times are the board's (policy ${policy_file})`;
