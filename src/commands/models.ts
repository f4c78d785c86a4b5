import type { Command } from 'commander';
import { GatewayError } from '../core/errors.ts';
import type { encodeModels } from '../http/status.ts';
import { describeDiscovered, discoverUsable } from './discover-models.ts';
import { formatTable } from './format-table.ts';
import { addClientOptions, askRunning, type ClientOptions } from './gateway-options.ts';
import { MODEL_HEADER, modelRow } from './model-row.ts';

type Models = { readonly models: ReturnType<typeof encodeModels> };

/** Adds `sluice models`: every model of the policy, whether it can be used, and why not. */
export function registerModelsCommand(program: Command): void {
  const command = program.command('models').description('list the models a running gateway knows');
  registerDiscover(command);
  addClientOptions(command).action(async (_: unknown, self: Command) => {
    const options: ClientOptions = self.optsWithGlobals();
    const { models } = (await askRunning(options, '/router/models')) as Models;
    console.log(
      options.json === true
        ? JSON.stringify(models, null, 2)
        : formatTable(MODEL_HEADER, models.map(modelRow)).join('\n'),
    );
  });
}

function registerDiscover(models: Command): void {
  models
    .command('discover <folder> [name]')
    .description('list the .rkllm files of a folder (or those a name means) and whether this machine can run them')
    .option('--library <file>', 'librkllmrt.so to judge by (default: the one the system finds)')
    .option('--json', 'print JSON')
    .action(async (folder: string, name: string | undefined, _: unknown, self: Command) => {
      const { library, json }: { readonly library?: string; readonly json?: true } = self.optsWithGlobals();
      const found = await discoverUsable({ folder, name, library });
      if (name !== undefined && found.length === 0) {
        throw new GatewayError(
          'model_not_found',
          `no .rkllm file in ${folder} answers to ${name}; leave the name out to see all`,
        );
      }
      console.log(json === true ? JSON.stringify(found, null, 2) : describeDiscovered(found).join('\n'));
    });
}
