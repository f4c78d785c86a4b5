import { constants, existsSync } from 'node:fs';
import { copyFile, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { GatewayError } from '../core/errors.ts';
import { formatBytes } from '../core/format.ts';
import { packageRoot } from '../core/package-root.ts';
import { type MadePolicy, makePolicy } from '../init/make-policy.ts';
import { formatTable } from './format-table.ts';

type InitOptions = {
  readonly policy: string;
  readonly models?: string;
  readonly output?: string;
  readonly yes?: true;
  readonly force?: true;
};

const MODELS_DEFAULT = 'models';

/** Adds `sluice init`. */
export function registerInitCommand(program: Command): void {
  program
    .command('init')
    .description('look at this machine and its model files and write a policy that fits them')
    .option('--models <dir>', `folder to search for .gguf and .rkllm files (default: ${MODELS_DEFAULT}, if it exists)`)
    .option('--output <file>', 'policy file to write (default: what --policy names)')
    .option('--yes', 'ask nothing')
    .option('--force', 'replace an existing file; the old one is kept beside it as FILE.bak')
    .addHelpText('after', HELP)
    .action((_: unknown, command: Command) => init(command.optsWithGlobals()));
}

const HELP = `
Looks at the CPU clusters, the memory, the NPU with its driver and library, the llama.cpp programs and the head of every
model file. Nothing is started, and nothing but the policy is written. Without a terminal nothing is asked.`;

async function init(options: InitOptions): Promise<void> {
  const output = resolve(options.output ?? options.policy);
  refuseExisting(output, options);
  const questions = options.yes === true || !process.stdin.isTTY ? undefined : openQuestions();
  try {
    const modelFolder = await chooseFolder(options.models, questions);
    const environment = process.env;
    const made = await makePolicy({
      ...{ sysroot: '/', environment, allowedCpus: availableParallelism(), modelFolder, output },
    });
    console.log(describe(made).join('\n'));
    if (questions !== undefined && !(await questions.confirm(`write ${output}?`))) {
      console.log('nothing written');
      return;
    }
    const backup = await write(output, made.text, options);
    if (backup !== undefined) console.log(`the old policy is ${backup}`);
    console.log(`wrote ${output}; next:\n${nextSteps(made, options).join('\n')}`);
  } finally {
    questions?.close();
  }
}

function refuseExisting(output: string, { force }: InitOptions): void {
  if (force === true || !existsSync(output)) return;
  const message = `${output} exists; --force replaces it and keeps the old one as a backup, --output names another file`;
  throw new GatewayError('usage', message);
}

type Questions = {
  readonly ask: (text: string, usual: string) => Promise<string>;
  readonly confirm: (text: string) => Promise<boolean>;
  readonly close: () => void;
};

function openQuestions(): Questions {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const ask = async (text: string, usual: string) => (await terminal.question(`${text} [${usual}] `)).trim() || usual;
  return {
    ask,
    confirm: async (text) => /^y(es)?$/i.test(await ask(text, 'yes')),
    close: () => terminal.close(),
  };
}

/** The folder that was named or answered; the usual one only where it exists. */
async function chooseFolder(named: string | undefined, questions: Questions | undefined): Promise<string | undefined> {
  if (named !== undefined) return resolve(named);
  const usual = resolve(MODELS_DEFAULT);
  const answer = resolve((await questions?.ask('folder with the model files?', MODELS_DEFAULT)) ?? MODELS_DEFAULT);
  return answer !== usual || existsSync(usual) ? answer : undefined;
}

function describe({ plan }: MadePolicy): readonly string[] {
  const { machine, launch, models, unused } = plan;
  const lines = [
    `machine: ${machine.title}, ${machine.memoryBytes === undefined ? 'memory unknown' : formatBytes(machine.memoryBytes)}`,
    `llama.cpp: ${machine.llamaServer ?? `not found; install it, or run ${INSTALLER}`}, ${launch.threads} threads`,
  ];
  if (machine.npu !== undefined) {
    const { soc, driver, library } = machine.npu;
    const state = driver.kind === 'off' ? `${driver.reason}; ${driver.remedy}` : (library ?? 'no librkllmrt.so');
    lines.push(`NPU: ${soc.name}, ${state}`);
  }
  if (models.length === 0) lines.push('models: none found');
  else {
    const rows = models.map(({ found, quality, keep, classes, enabled, why }) => [
      found.id,
      found.kind,
      formatBytes(found.facts.estimatedMemoryBytes),
      quality.toFixed(2),
      enabled ? (classes?.join(' ') ?? keep) : 'disabled',
      why,
    ]);
    lines.push(...formatTable(['MODEL', 'RUNTIME', 'MEMORY', 'QUALITY', 'KEEP', 'WHY'], rows));
  }
  return [...lines, ...unused.map(({ file, reason }) => `not used: ${file}: ${reason}`)];
}

/** Writes the whole file or nothing; returns where the file it replaced now is. */
async function write(output: string, text: string, { force }: InitOptions): Promise<string | undefined> {
  await mkdir(dirname(output), { recursive: true });
  const backup = force === true && existsSync(output) ? await keepOld(output) : undefined;
  const unfinished = `${output}.${process.pid}.tmp`;
  try {
    await writeFile(unfinished, text, { flag: 'wx' });
    await rename(unfinished, output);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  return backup;
}

async function keepOld(file: string): Promise<string> {
  for (let number = 1; ; number += 1) {
    const backup = number === 1 ? `${file}.bak` : `${file}.bak${number}`;
    try {
      await copyFile(file, backup, constants.COPYFILE_EXCL);
      return backup;
    } catch (error) {
      // An older backup is nobody's to overwrite.
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

const INSTALLER = join(packageRoot(), 'scripts', 'install-llama-cpp');

function nextSteps({ plan }: MadePolicy, options: InitOptions): readonly string[] {
  const file = options.output ?? options.policy;
  const named = file === 'routing-policy.yaml' ? '' : ` --policy ${file}`;
  const missing = plan.machine.llamaServer === undefined ? [`  install llama.cpp, or run ${INSTALLER}`] : [];
  if (plan.models.length === 0) {
    const output = options.output === undefined ? named : ` --output ${options.output}`;
    return [...missing, `  put .gguf files into a folder, then: sluice init --models FOLDER${output} --force`];
  }
  return [
    ...missing,
    `  sluice${named} doctor    # what can run here, and what is in the way`,
    `  sluice${named} bench     # measure them`,
    `  sluice${named} serve`,
  ];
}
