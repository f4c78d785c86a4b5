import { access, constants } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { MODEL_CLASSES } from '../core/classes.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import { formatBytes, formatDurationMs } from '../core/format.ts';
import type { ClassPolicy, ModelPolicy, Policy } from '../core/policy.ts';
import { policyJsonSchema } from '../policy/json-schema.ts';
import { readPolicyText } from '../policy/load.ts';
import { checkPolicy } from '../policy/parse.ts';
import { problemLine } from '../policy/problems.ts';
import { formatTable } from './format-table.ts';
import { registerPolicyDiffCommand } from './policy-diff.ts';

/** Adds `policy check [FILE]`, `policy diff OLD [NEW]` and `policy schema`. `check` ends with 1 when the policy has problems. */
export function registerPolicyCommand(program: Command): void {
  const policy = program.command('policy').description('check the policy file, compare two, print the schema');
  policy
    .command('check')
    .argument('[file]', 'policy file; default: the one of --policy')
    .option('--json', 'print the result as JSON')
    .description('check a policy file and say what it means')
    .action(async (file: string | undefined, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<{ policy?: string; json?: boolean }>();
      await check(file ?? options.policy ?? 'routing-policy.yaml', options.json === true);
    });
  registerPolicyDiffCommand(policy);
  policy
    .command('schema')
    .description('print the JSON Schema of the policy file, for editors')
    .action(() => console.log(JSON.stringify(policyJsonSchema(), null, 2)));
}

async function check(file: string, asJson: boolean): Promise<void> {
  const text = await readOrReport(file, asJson);
  if (text === undefined) return;
  const result = checkPolicy(text, file);
  if (result.kind === 'valid') {
    const present = await presentFiles(result.policy);
    console.log(asJson ? JSON.stringify(summary(result.policy, present), null, 2) : report(result.policy, present));
    return;
  }
  process.exitCode = 1;
  if (asJson) {
    console.log(JSON.stringify({ file: resolve(file), valid: false, problems: result.problems }, null, 2));
    return;
  }
  for (const problem of result.problems) console.error(problemLine(file, problem));
  const count = result.problems.length;
  console.error(`${file}: ${count} ${count === 1 ? 'problem' : 'problems'}`);
}

async function readOrReport(file: string, asJson: boolean): Promise<string | undefined> {
  try {
    return await readPolicyText(file);
  } catch (thrown) {
    if (!(thrown instanceof GatewayError)) throw thrown;
    process.exitCode = 1;
    const problem = { line: 1, column: 1, path: '', message: messageOf(thrown) };
    if (asJson) console.log(JSON.stringify({ file: resolve(file), valid: false, problems: [problem] }, null, 2));
    else console.error(problem.message);
    return undefined;
  }
}

async function presentFiles(policy: Policy): Promise<ReadonlySet<string>> {
  const files = [...new Set([...policy.models.values()].map((model) => model.file))];
  const found = await Promise.all(
    files.map(async (file) => {
      try {
        await access(file, constants.R_OK);
        return file;
      } catch {
        // A missing model is not an error of the policy: the table says so.
        return undefined;
      }
    }),
  );
  return new Set(found.filter((file) => file !== undefined));
}

function summary(policy: Policy, present: ReadonlySet<string>) {
  return {
    file: policy.file,
    valid: true,
    revision: policy.revision,
    gateway: policy.gateway,
    machine: policy.machine,
    devices: [...policy.devices.values()],
    runtimes: [...policy.runtimes.values()],
    models: [...policy.models.values()].map((model) => ({ ...model, filePresent: present.has(model.file) })),
    classes: policy.classes,
    rules: policy.classify.rules.map((rule) => ({ ...rule, when: withPatternText(rule.when) })),
    clients: policy.clients,
  };
}

/** JSON has no regular expressions: their source is shown. */
function withPatternText(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, entry: unknown) => (entry instanceof RegExp ? entry.source : entry)));
}

function report(policy: Policy, present: ReadonlySet<string>): string {
  const memory = policy.machine.memoryBytes === undefined ? 'all' : formatBytes(policy.machine.memoryBytes);
  const models = [...policy.models.values()].map((model) => modelRow(policy, model, present));
  return [
    `OK ${policy.file} (revision ${policy.revision})`,
    `listens on ${policy.gateway.host}:${policy.gateway.port}; memory ${memory} less ${formatBytes(policy.machine.reserveBytes)}`,
    '',
    ...formatTable(['model', 'runtime', 'device', 'quality', 'keep', 'classes', 'aliases', 'file'], models),
    '',
    ...formatTable(
      ['class', 'ttft', 'e2e', 'quality', 'prefer', 'output', 'window', 'when none'],
      MODEL_CLASSES.map((name) => classRow(name, policy.classes[name])),
    ),
    '',
    `${policy.classify.rules.length} rules, ${policy.clients.length} clients`,
  ].join('\n');
}

function modelRow(policy: Policy, model: ModelPolicy, present: ReadonlySet<string>): string[] {
  const keep = model.keep.kind === 'idle' ? `idle ${formatDurationMs(model.keep.idleMs)}` : model.keep.kind;
  const file = present.has(model.file) ? 'present' : `missing: ${model.file}`;
  return [
    model.id,
    model.runtime,
    policy.runtimes.get(model.runtime)?.device ?? '-',
    model.quality.toFixed(2),
    keep,
    model.classes?.join(', ') ?? 'all',
    model.aliases.join(', ') || '-',
    model.enabled ? file : `disabled, ${file}`,
  ];
}

function classRow(name: string, source: ClassPolicy): string[] {
  const target = (durationMs: number | undefined) => (durationMs === undefined ? '-' : formatDurationMs(durationMs));
  const window = source.window === undefined ? 'always' : `${source.window.text} ${source.window.timezone}`;
  return [
    name,
    target(source.ttftMs),
    target(source.e2eMs),
    `>= ${source.minQuality}`,
    source.prefer ?? '-',
    `${source.outputTokens} at p${Math.round(source.quantile * 100)}`,
    window,
    source.whenNone,
  ];
}
