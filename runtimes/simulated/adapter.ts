import { readStandIn } from '../../src/boards/stand-in.ts';
import { nodeProgram } from '../../src/core/node-program.ts';
import type { ModelPolicy } from '../../src/core/policy.ts';
import type { RuntimeAdapter } from '../../src/core/runtime.ts';
import { type BoardTime, connectSimulated } from './connection.ts';
import { contextTokensOf, inspectStandIn, slotsOf, thinksOf } from './inspect.ts';
import { KEY_VARIABLE, PORT_FLAG, SETTINGS_FLAG, type WorkerSettings } from './worker-settings.ts';

/** A worker lives on less than 10 MB of objects; the rest of Node's memory is its code. */
const NODE_FLAGS = ['--max-old-space-size=48', '--max-semi-space-size=2'];
/** llama-server's own default of `--ubatch-size`. */
const UBATCH_DEFAULT = 512;
/** A worker that has to wait for its turn on a machine with other things to do, real ms. */
const SLACK_REAL_MS = 5_000;
/** A start of Node and a few hundred lines of JavaScript, on a machine that has other things to do, real ms. */
const START_REAL_MS = 30_000;

/**
 * The runtime kind `simulated`: no model, but a process for each that speaks llama-server's API and takes the time a
 * board would take. `speed` is that of the clock: 50 where a second of the board is a fiftieth of one here.
 */
export function createSimulatedAdapter(time: BoardTime): RuntimeAdapter {
  return {
    kind: 'simulated',
    pausable: true,
    inspect: inspectStandIn,
    launch: async (model, _runtime, endpoint) => {
      const settings = JSON.stringify(await settingsOf(model, time.speed));
      const [command, ...args] = nodeProgram(import.meta.dirname, 'worker', NODE_FLAGS);
      return {
        command,
        args: [...args, PORT_FLAG, String(endpoint.port), SETTINGS_FLAG, settings],
        environment: { ...model.settings.environment, [KEY_VARIABLE]: endpoint.apiKey },
      };
    },
    connect: (model, endpoint) => connectSimulated(model, endpoint, time),
    slackMs: SLACK_REAL_MS * time.speed,
    // At 20 MB/s of the board, as for the real kinds, and on top what the machine here needs, whatever the speed.
    loadDeadlineMs: (weightsBytes) => START_REAL_MS * Math.max(1, time.speed) + weightsBytes / 20_000,
  };
}

async function settingsOf(model: ModelPolicy, speed: number): Promise<WorkerSettings> {
  const standIn = await readStandIn(model.file);
  return {
    model: model.id,
    board: standIn.board,
    speed,
    service: standIn.service,
    noiseSigma: standIn.noiseSigma,
    seed: standIn.seed,
    drift: standIn.drift,
    contextTokens: contextTokensOf(model, standIn),
    slots: slotsOf(model),
    cancelTokens: model.settings.ubatch ?? UBATCH_DEFAULT,
    thinking: thinksOf(model, standIn),
  };
}
