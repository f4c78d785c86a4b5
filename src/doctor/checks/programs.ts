import { join } from 'node:path';
import { buildCommandLine } from '../../../runtimes/llama-server/command-line.ts';
import type { ProbedProgram } from '../../../runtimes/llama-server/probe.ts';
import { messageOf } from '../../core/errors.ts';
import { packageRoot } from '../../core/package-root.ts';
import { about, type Finding, fault, fine, note, warning } from '../finding.ts';
import { type Host, nameList } from '../host.ts';
import type { LookedModel } from '../look-at-models.ts';

/** The programs that models are run with, and whether they know the flags the settings need. */
export async function checkPrograms(host: Host): Promise<readonly Finding[]> {
  const byProgram = new Map<string, LookedModel[]>();
  for (const looked of host.models) {
    if (looked.kind !== 'llama-server') continue;
    const name = looked.runtime?.binary ?? 'llama-server';
    byProgram.set(name, [...(byProgram.get(name) ?? []), looked]);
  }
  const servers = await Promise.all([...byProgram].map(([name, models]) => llamaServer(host, name, models)));
  return [...servers.flat(), taskset(host), setpriv(host), ...coldLoadTools(host)];
}

async function llamaServer(host: Host, name: string, models: readonly LookedModel[]): Promise<readonly Finding[]> {
  const { tools, files } = host;
  const title = name;
  const path = tools.find(name);
  const installer = files.live ? join(packageRoot(), 'scripts/install-llama-cpp') : 'scripts/install-llama-cpp';
  const install = `${installer} (Debian packages into a cache folder), or put your own build on PATH`;
  if (path === undefined) {
    const why = `it runs ${nameList(models)}`;
    return [fault('llama-server', { title, measured: 'not found', why }, install)];
  }
  if (!files.live) {
    return [
      note('llama-server', {
        title,
        measured: path,
        why: 'of a copied machine: it was not run, so its flags are not known',
      }),
    ];
  }
  let program: ProbedProgram;
  try {
    program = await tools.probe(path);
  } catch (error) {
    return [fault('llama-server', { title, measured: messageOf(error), why: `it runs ${nameList(models)}` }, install)];
  }
  const measured = `${path}, ${program.version}, ${program.flags.size} flags`;
  const refused = models.flatMap((looked) => refusalOf(host, looked, program));
  return [
    fine('llama-server', {
      title,
      measured,
      why: `it runs; ${models.length - refused.length} of ${models.length} models' settings are understood`,
    }),
    ...refused,
  ];
}

/** Whether the program of a llama.cpp model is there, runs, and understands the model's settings. */
export async function canStart(host: Host, looked: LookedModel): Promise<boolean> {
  const path = host.tools.find(looked.runtime?.binary ?? 'llama-server');
  if (path === undefined || !host.files.live) return path !== undefined;
  try {
    return refusalOf(host, looked, await host.tools.probe(path)).length === 0;
  } catch {
    // Why it does not run is said of the program.
    return false;
  }
}

function refusalOf({ tools }: Host, { model }: LookedModel, program: ProbedProgram): readonly Finding[] {
  const placement = { cpus: model.settings.cpus, hasTaskset: tools.find('taskset') !== undefined };
  try {
    buildCommandLine(model, { port: 1, apiKey: 'none' }, program, placement);
    return [];
  } catch (error) {
    const why = 'a setting needs a flag that this build does not have, so the model cannot be started';
    const remedy = `remove the setting from models.${model.id}.settings, or install a newer llama.cpp`;
    return [
      fault(
        about('llama-server', model.id),
        { title: `flags for ${model.id}`, measured: messageOf(error), why },
        remedy,
      ),
    ];
  }
}

const UTIL_LINUX = 'sudo apt-get install util-linux';

function taskset({ tools, models }: Host): Finding {
  const title = 'taskset';
  const path = tools.find('taskset');
  if (path !== undefined) {
    return fine('taskset', { title, measured: path, why: 'it places a model on the CPUs that its settings name' });
  }
  const pinned = models.filter(({ kind, model }) => kind === 'llama-server' && model.settings.cpus !== undefined);
  const fact = { title, measured: 'not found' };
  if (pinned.length === 0)
    return note('taskset', { ...fact, why: 'no model names CPUs, so it is not needed' }, UTIL_LINUX);
  const why = `${nameList(pinned)} name CPUs; llama-server's own --cpu-mask is used in its place, which places its threads only`;
  return warning('taskset', { ...fact, why }, UTIL_LINUX);
}

function setpriv({ tools }: Host): Finding {
  const title = 'setpriv';
  const path = tools.find('setpriv');
  if (path !== undefined) {
    return fine('setpriv', {
      title,
      measured: path,
      why: 'with it the kernel ends the models when the gateway is killed',
    });
  }
  const why =
    'a gateway that is killed (kill -9, out of memory) leaves its models running until the next start finds them';
  return warning('setpriv', { title, measured: 'not found', why }, UTIL_LINUX);
}

function coldLoadTools({ tools }: Host): readonly Finding[] {
  const missing = ['dd', 'fincore'].filter((name) => tools.find(name) === undefined);
  if (missing.length === 0) return [];
  const why = 'without them loads from storage cannot be measured, only loads from the page cache';
  const fact = { title: 'tools for cold loads', measured: `not found: ${missing.join(', ')}`, why };
  return [note('cold-load-tools', fact, 'sudo apt-get install coreutils util-linux-extra')];
}
