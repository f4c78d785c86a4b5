import { statSync } from 'node:fs';
import { messageOf } from '../core/errors.ts';
import type { ModelId } from '../core/ids.ts';
import type { ModelPolicy, Policy, RuntimePolicy } from '../core/policy.ts';
import type { Inspection, RuntimeAdapter } from '../core/runtime.ts';
import type { ChildSpec } from './child.ts';

/** One model of a policy, looked at. */
export type Inspected = {
  readonly model: ModelPolicy;
  readonly inspection: Inspection;
  readonly spec: ChildSpec | undefined;
  readonly signature: string;
};

/** Looks at every model of the policy, or at one; models without a runtime or a known kind come out unavailable. */
export async function inspectModels(
  policy: Policy,
  adapters: ReadonlyMap<string, RuntimeAdapter>,
  only?: ModelId,
): Promise<ReadonlyMap<ModelId, Inspected>> {
  const environment = childEnvironment(policy);
  const looks = [...policy.models.values()]
    .filter((model) => only === undefined || model.id === only)
    .map(async (model): Promise<readonly [ModelId, Inspected]> => {
      const runtime = policy.runtimes.get(model.runtime);
      const adapter = runtime === undefined ? undefined : adapters.get(runtime.kind);
      const inspection = await inspect(model, runtime, adapter);
      const weightsBytes = inspection.facts?.weightsBytes ?? 0;
      const spec =
        runtime === undefined || adapter === undefined
          ? undefined
          : { model, runtime, adapter, weightsBytes, environment };
      return [model.id, { model, inspection, spec, signature: launchSignature(policy, model) }];
    });
  return new Map(await Promise.all(looks));
}

async function inspect(
  model: ModelPolicy,
  runtime: RuntimePolicy | undefined,
  adapter: RuntimeAdapter | undefined,
): Promise<Inspection> {
  if (!model.enabled) return unusable('it is switched off (enabled: false)', `set models.${model.id}.enabled to true`);
  if (runtime === undefined) return unusable(`the policy has no runtime ${model.runtime}`, 'declare it under runtimes');
  if (adapter === undefined) {
    return unusable(
      `this version of Sluice has no runtime kind ${runtime.kind}`,
      'serve the model by another runtime, or remove it from the policy',
    );
  }
  try {
    return await adapter.inspect(model, runtime);
  } catch (error) {
    // Adapters promise not to throw; one that does must cost its own model and no other.
    return unusable(`looking at it failed: ${messageOf(error)}`, 'see the log');
  }
}

function unusable(reason: string, remedy: string): Inspection {
  return { availability: { kind: 'unavailable', reason, remedy }, facts: undefined, runtimeVersion: undefined };
}

/** Everything a launch depends on, as text: where it differs, a running child is out of date. */
function launchSignature(policy: Policy, model: ModelPolicy): string {
  const runtime = policy.runtimes.get(model.runtime);
  const file = statSync(model.file, { throwIfNoEntry: false });
  return JSON.stringify([
    [runtime?.kind, runtime?.binary, runtime?.library],
    [model.file, file?.mtimeMs, file?.size],
    model.settings,
    policy.machine.environment,
  ]);
}

/** What children inherit: our environment with the operator's additions, without the clients' API keys. */
function childEnvironment(policy: Policy): Readonly<Record<string, string>> {
  const secret = new Set(policy.clients.map((client) => client.keyEnv));
  const own = Object.entries(process.env).filter(
    (pair): pair is [string, string] => pair[1] !== undefined && !secret.has(pair[0]),
  );
  return { ...Object.fromEntries(own), ...policy.machine.environment };
}
