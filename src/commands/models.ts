import type { Command } from 'commander';
import type { encodeModels } from '../http/status.ts';
import { formatTable } from './format-table.ts';
import { addClientOptions, askRunning, type ClientOptions } from './gateway-options.ts';
import { MODEL_HEADER, modelRow } from './model-row.ts';

type Models = { readonly models: ReturnType<typeof encodeModels> };

/** Adds `sluice models`: every model of the policy, whether it can be used, and why not. */
export function registerModelsCommand(program: Command): void {
  const command = program.command('models').description('list the models a running gateway knows');
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
