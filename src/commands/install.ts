import { existsSync, realpathSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { Policy } from '../core/policy.ts';
import { SYSUSERS, systemdUnit, type UnitOptions } from '../init/systemd-unit.ts';
import { loadPolicy } from '../policy/load.ts';

type InstallOptions = {
  readonly policy: string;
  readonly user?: true;
  readonly dryRun?: true;
  readonly force?: true;
};

const POLICY_SYSTEM = '/etc/sluice/routing-policy.yaml';

/** Adds `sluice install`. */
export function registerInstallCommand(program: Command): void {
  program
    .command('install')
    .description('write a hardened systemd unit for this installation of Sluice')
    .option('--user', "a service of your own (systemctl --user) instead of the machine's")
    .option('--dry-run', 'print the files and the commands, write nothing')
    .option('--force', 'replace files that are there')
    .addHelpText('after', HELP)
    .action(async (_: unknown, command: Command) => {
      const isDefault = command.getOptionValueSourceWithGlobals('policy') === 'default';
      await install(command.optsWithGlobals(), isDefault);
    });
}

const HELP = `
Without --user the files go to /etc, which takes root. The service reads the policy that --policy names, and otherwise
${POLICY_SYSTEM}, or ~/.config/sluice/routing-policy.yaml with --user; its data are in
/var/lib/sluice, or ~/.local/state/sluice. Nothing is started: the commands that do so are printed.`;

async function install(options: InstallOptions, isDefaultPolicy: boolean): Promise<void> {
  const scope = options.user === true ? 'user' : 'system';
  const configHome = process.env['XDG_CONFIG_HOME'] || join(homedir(), '.config');
  const usual = scope === 'system' ? POLICY_SYSTEM : join(configHome, 'sluice/routing-policy.yaml');
  const policyFile = isDefaultPolicy ? usual : resolve(options.policy);
  const policy = existsSync(policyFile) ? await loadPolicy(policyFile) : undefined;
  const unit = systemdUnit({ scope, policyFile, program: ownProgram(), ...needsOf(policy, policyFile) });
  const files: readonly [string, string][] =
    scope === 'system'
      ? [
          ['/etc/systemd/system/sluice.service', unit],
          ['/etc/sysusers.d/sluice.conf', SYSUSERS],
        ]
      : [[join(configHome, 'systemd/user/sluice.service'), unit]];
  if (options.dryRun === true) {
    for (const [path, text] of files) console.log(`# ${path}\n${text}`);
  } else {
    await writeAll(files, options.force === true);
    for (const [path] of files) console.log(`wrote ${path}`);
  }
  console.log(nextSteps(scope, policyFile, policy !== undefined).join('\n'));
}

/** This very program, by Node's own path: a service has another PATH than the person who installs it. */
function ownProgram(): readonly string[] {
  // With the flags this process runs with, which the first line of cli.ts has given it.
  return [process.execPath, ...process.execArgv, realpathSync(process.argv[1] ?? '')];
}

/** What the service must reach besides its own folders, by the policy; everything a board could need where there is none yet. */
function needsOf(policy: Policy | undefined, policyFile: string): Pick<UnitOptions, 'npu' | 'readsHomes'> {
  const runtimes = [...(policy?.runtimes.values() ?? [])];
  const paths = [
    policyFile,
    ...ownProgram(),
    ...[...(policy?.models.values() ?? [])].map(({ file }) => file),
    ...runtimes.flatMap(({ binary, library }) => [binary ?? '', library ?? '']),
  ];
  return {
    npu: policy === undefined || runtimes.some(({ kind }) => kind === 'rkllm'),
    readsHomes: paths.some((path) => /^\/(home|root|run\/user)\//.test(path)),
  };
}

async function writeAll(files: readonly (readonly [string, string])[], replace: boolean): Promise<void> {
  const present = files.map(([path]) => path).find((path) => existsSync(path));
  if (present !== undefined && !replace) {
    throw new GatewayError('usage', `${present} exists; --force replaces it, --dry-run shows what would be written`);
  }
  for (const [path, text] of files) {
    try {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text);
    } catch (cause) {
      const denied = (cause as NodeJS.ErrnoException).code === 'EACCES';
      const remedy = denied ? '; run it with sudo, or with --user for a service of your own' : '';
      throw new GatewayError('usage', `cannot write ${path}: ${messageOf(cause)}${remedy}`, { cause });
    }
  }
}

function nextSteps(scope: UnitOptions['scope'], policyFile: string, hasPolicy: boolean): readonly string[] {
  const sudo = scope === 'system' ? 'sudo ' : '';
  const control = scope === 'system' ? 'sudo systemctl' : 'systemctl --user';
  return [
    'next:',
    ...(hasPolicy ? [] : [`  ${sudo}sluice init --models DIR --output ${policyFile}`]),
    ...(scope === 'system' ? ['  sudo systemd-sysusers'] : []),
    `  ${control} daemon-reload`,
    `  ${control} enable --now sluice`,
    `  ${control} status sluice`,
    ...(scope === 'user' ? ['  loginctl enable-linger     # it then runs while you are not logged in'] : []),
  ];
}
