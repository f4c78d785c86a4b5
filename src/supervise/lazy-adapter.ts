import { GatewayError } from '../core/errors.ts';
import type { RuntimeAdapter } from '../core/runtime.ts';

/**
 * A runtime kind whose code is loaded when the first model of that kind is looked at: what a kind stands on (a foreign
 * function interface, a tokenizer, a validator of schemas) is a tenth of the memory of a gateway that does not use it.
 * `inspect` and `launch`, which come first for every model, load it, and the object then has all that the kind has;
 * both reject where the code cannot be loaded.
 */
export function lazyAdapter(kind: string, load: () => Promise<RuntimeAdapter>): RuntimeAdapter {
  let loading: Promise<RuntimeAdapter> | undefined;
  const becomeLoaded = (): Promise<RuntimeAdapter> => {
    loading ??= load().then((loaded) => Object.assign(lazy, loaded));
    return loading;
  };
  const lazy: RuntimeAdapter = {
    kind,
    inspect: async (model, runtime) => (await becomeLoaded()).inspect(model, runtime),
    launch: async (model, runtime, endpoint) => (await becomeLoaded()).launch(model, runtime, endpoint),
    connect: (model) => {
      throw new GatewayError('start_failed', `${model.id} was never launched, so there is nothing to connect to`);
    },
  };
  return lazy;
}
