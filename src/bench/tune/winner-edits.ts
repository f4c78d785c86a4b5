import { GatewayError } from '../../core/errors.ts';
import { modelId } from '../../core/ids.ts';
import type { Policy } from '../../core/policy.ts';
import { editPolicyText, type PolicyEdit } from '../../policy/edit-policy.ts';
import { parsePolicy } from '../../policy/parse.ts';
import type { TuneRun } from '../../store/tune-table.ts';
import { settingsInForce, writtenSettings } from './settings.ts';

/** What a run's winner changes in the policy; none where the settings in force are to stay. */
export type WinnerEdits = { readonly edits: readonly PolicyEdit[]; readonly text: string };

type Written = ReturnType<typeof writtenSettings>;

/**
 * The text of a policy with a run's winner as the model's own settings, everything else as it was. Only what differs from
 * what is in force is set. Throws `invalid_config` where the policy has no such model, its settings are no longer those
 * the run compared with, or the text cannot be edited (see {@link editPolicyText}).
 */
export function winnerEdits(text: string, file: string, run: TuneRun): WinnerEdits {
  const winner = run.trials.find(({ status }) => status === 'winner');
  const current = run.trials.find(({ isCurrent }) => isCurrent);
  if (winner === undefined || winner.isCurrent) return { edits: [], text };
  const now = written(parsePolicy(text, file), run.model, file);
  const changed = Object.entries(current?.settings ?? {}).filter(([key, value]) => now[key] !== value);
  if (changed.length > 0) {
    const [key = '', value] = changed[0] ?? [];
    throw new GatewayError(
      'invalid_config',
      `${file}: ${key} of ${run.model} is ${now[key] ?? 'not set'} and was ${value} when run ${run.id} compared its settings: tune again`,
    );
  }
  const edits = Object.entries(winner.settings)
    .filter(([key, value]) => now[key] !== value)
    .map(([key, value]) => ({
      path: ['models', run.model, 'settings', key],
      value,
      ...(key === 'cpu_mask' ? { hexadecimal: true } : {}),
    }));
  const edited = editPolicyText(text, edits);
  const after = written(parsePolicy(edited, file), run.model, file);
  const missed = Object.entries(winner.settings).find(([key, value]) => after[key] !== value);
  if (missed !== undefined) {
    throw new GatewayError(
      'invalid_config',
      `${file}: ${missed[0]} of ${run.model} could not be set: set it by hand to ${missed[1]}`,
    );
  }
  return { edits, text: edited };
}

function written(policy: Policy, model: string, file: string): Written {
  const found = policy.models.get(modelId(model));
  const kind = found && policy.runtimes.get(found.runtime)?.kind;
  if (found === undefined || kind === undefined) {
    throw new GatewayError(
      'invalid_config',
      `${file} has no model ${model}; it has ${[...policy.models.keys()].join(', ')}`,
    );
  }
  return writtenSettings(settingsInForce(found.settings, kind));
}
