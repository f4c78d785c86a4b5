import { existsSync, statSync } from 'node:fs';
import { createFileInspector } from '../../runtimes/llama-server/inspect.ts';
import { readModelFile } from '../../runtimes/rkllm/files/model-file.ts';
import type { RkllmFacts } from '../../runtimes/rkllm/files/model-name.ts';
import { factsOf } from '../../runtimes/rkllm/inspect.ts';
import { GatewayError, messageOf } from '../core/errors.ts';
import type { ModelPolicy, Policy, RuntimePolicy } from '../core/policy.ts';
import type { Figure, ModelFacts, Profile } from '../core/profile.ts';
import type { Profiles } from '../store/profiles.ts';
import type { Files } from './host.ts';

/** A model of the policy and its file. */
export type LookedModel = {
  readonly model: ModelPolicy;
  readonly runtime: RuntimePolicy | undefined;
  /** Kind of its runtime; '' where the policy declares none. */
  readonly kind: string;
  /** Its file, as its machine names it. */
  readonly file: string;
  readonly content:
    | {
        readonly kind: 'present';
        /** Where the file can be read from here. */
        readonly path: string;
        readonly facts: ModelFacts;
        readonly rkllm: RkllmFacts | undefined;
        readonly isStandIn: boolean;
      }
    | { readonly kind: 'missing' }
    | { readonly kind: 'damaged'; readonly reason: string; readonly remedy: string }
    /** A simulated board's model has no file. */
    | { readonly kind: 'none' };
  readonly profile: Profile;
};

/** Looks at the files of every enabled model. Never rejects. */
export async function lookAtModels(
  policy: Policy | undefined,
  files: Files,
  profiles: Profiles,
): Promise<readonly LookedModel[]> {
  const inspectGguf = createFileInspector();
  const enabled = [...(policy?.models.values() ?? [])].filter(({ enabled }) => enabled);
  return Promise.all(
    enabled.map(async (declared): Promise<LookedModel> => {
      const model = { ...declared, file: files.locate(declared.file) };
      const runtime = policy?.runtimes.get(model.runtime);
      const kind = runtime?.kind ?? '';
      const content = await contentOf(model, kind, inspectGguf);
      const facts = content.kind === 'present' ? content.facts : undefined;
      const file = files.shown(model.file);
      return { model, runtime, kind, file, content, profile: profiles.profileOf(model, facts) };
    }),
  );
}

async function contentOf(
  model: ModelPolicy,
  kind: string,
  inspectGguf: ReturnType<typeof createFileInspector>,
): Promise<LookedModel['content']> {
  if (kind === 'simulated') return { kind: 'none' };
  if (!existsSync(model.file)) return { kind: 'missing' };
  if (!statSync(model.file).isFile())
    return { kind: 'damaged', reason: 'it is not a file', remedy: `correct models.${model.id}.file` };
  const path = model.file;
  if (kind !== 'rkllm') {
    const found = await inspectGguf(model);
    if (found.kind === 'facts')
      return { kind: 'present', path, facts: found.facts, rkllm: undefined, isStandIn: false };
    const { availability } = found;
    return availability.kind === 'unavailable'
      ? { kind: 'damaged', reason: availability.reason, remedy: availability.remedy }
      : { kind: 'missing' };
  }
  try {
    const file = await readModelFile(model.file);
    return { kind: 'present', path, facts: factsOf(model, file), rkllm: file.facts, isStandIn: file.isStandIn };
  } catch (error) {
    const gone = error instanceof GatewayError && error.code === 'model_file_missing';
    return gone
      ? { kind: 'missing' }
      : { kind: 'damaged', reason: messageOf(error), remedy: 'copy or convert it again' };
  }
}

/** Memory a model takes, bytes, and how that is known; undefined where neither a figure nor the file tells. */
export function memoryOf({ profile, content }: LookedModel): Pick<Figure, 'value' | 'provenance'> | undefined {
  const peak = profile.peakMemoryBytes;
  // The size law is no base for memory; the formula over the file's own figures is.
  if (peak !== undefined && peak.provenance !== 'estimated') return peak;
  if (content.kind === 'present') return { value: content.facts.estimatedMemoryBytes, provenance: 'estimated' };
  return peak;
}
