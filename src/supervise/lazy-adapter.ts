import { GatewayError } from '../core/errors.ts';
import type { RuntimeAdapter } from '../core/runtime.ts';

/**
 * A runtime kind whose code is loaded when the first model of that kind is looked at: what a kind stands on (a foreign
 * function interface, a tokenizer, a validator of schemas) is a tenth of the memory of a gateway that does not use it.
 * `inspect` and `launch`, which come first for every model, load it; `inspect` rejects where the code cannot be loaded.
 */
export function lazyAdapter(kind: string, load: () => Promise<RuntimeAdapter>): RuntimeAdapter {
  let loading: Promise<RuntimeAdapter> | undefined;
  let loaded: RuntimeAdapter | undefined;
  const get = async (): Promise<RuntimeAdapter> => {
    loading ??= load();
    loaded = await loading;
    return loaded;
  };
  return {
    kind,
    inspect: async (model, runtime) => (await get()).inspect(model, runtime),
    launch: async (model, runtime, endpoint) => (await get()).launch(model, runtime, endpoint),
    connect: (model, endpoint, channel) => {
      if (loaded === undefined) throw new GatewayError('start_failed', `${model.id} was not launched before`);
      return loaded.connect(model, endpoint, channel);
    },
    // What a kind may leave out is left out here as well.
    get loadDeadlineMs() {
      return loaded?.loadDeadlineMs;
    },
    get slackMs() {
      return loaded?.slackMs;
    },
    get explainExit() {
      return loaded?.explainExit;
    },
  };
}
