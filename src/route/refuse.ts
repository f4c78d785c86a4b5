import type { Refusal } from '../core/decision.ts';
import {
  type Assessment,
  type Circumstances,
  describeBlocked,
  OBSTACLES,
  type Obstacle,
  progressOf,
} from './filter.ts';

/**
 * Says why nobody was chosen. The candidates that got furthest give the reason: where one model lacks a capability and
 * the other's context is too short, the prompt's length is what stands in the way of the model that could.
 */
export function refuse(assessments: readonly Assessment[], circumstances: Circumstances): Refusal {
  if (assessments.length === 0)
    return refusal('no_usable_model', 'no model is declared; add one under models in the policy');
  const furthest = Math.max(...assessments.map(progressOf));
  const leading = assessments.filter((assessment) => progressOf(assessment) === furthest);
  const obstacle = OBSTACLES[furthest];
  return obstacle === undefined
    ? refuseTargets(leading, circumstances)
    : refuseBlocked(obstacle, leading, circumstances);
}

function refuseBlocked(obstacle: Obstacle, leading: readonly Assessment[], circumstances: Circumstances): Refusal {
  switch (obstacle) {
    case 'unavailable':
    case 'quarantined':
    case 'memory':
      return refuseUnusable(leading, circumstances, obstacle === 'memory');
    case 'class':
      return refusal(
        'no_usable_model',
        `no usable model serves class ${circumstances.workload.class}: ${describeBlocked(leading)}`,
      );
    case 'capability':
      return refusal('unsupported_feature', `no model can serve this request: ${describeBlocked(leading)}`);
    case 'context':
      return refuseContext(leading);
    case 'window':
      return refuseWindow(leading, circumstances);
  }
}

const refusal = (code: Refusal['code'], message: string, retryAfterMs?: number): Refusal => ({
  code,
  message,
  retryAfterMs,
});

function refuseUnusable(leading: readonly Assessment[], { pinned }: Circumstances, started: boolean): Refusal {
  const reasons = describeBlocked(leading);
  if (pinned) return refusal('model_unavailable', `the model cannot be used: ${reasons}`);
  return refusal('no_usable_model', `${started ? 'no model fits into memory' : 'no model can be used'}: ${reasons}`);
}

function refuseContext(leading: readonly Assessment[]): Refusal {
  const widest = leading.reduce((a, b) => ((b.contextTokens ?? 0) > (a.contextTokens ?? 0) ? b : a));
  return refusal(
    'context_length_exceeded',
    `the prompt is longer than every context here; the largest is ${widest.model.id}: ${widest.blocked?.reason ?? widest.misses.join('; ')}; shorten the conversation`,
  );
}

function refuseWindow(leading: readonly Assessment[], { workload, snapshot }: Circumstances): Refusal {
  const reason = leading[0]?.blocked?.reason ?? '';
  return refusal('outside_window', `${reason}; try again then`, snapshot.windows.get(workload.class)?.opensInMs);
}

// Everything left could serve and misses a target, under a class that does not degrade.
function refuseTargets(usable: readonly Assessment[], { workload, policy }: Circumstances): Refusal {
  const atFloor = usable.filter(({ meetsQuality }) => meetsQuality);
  if (atFloor.length === 0) {
    return refusal(
      'no_usable_model',
      `no model reaches the quality class ${workload.class} asks for: ${describeMisses(usable)}`,
    );
  }
  const closest = atFloor.reduce((a, b) => (b.strain < a.strain ? b : a));
  const message = `no model meets the targets of class ${workload.class}; the closest is ${closest.model.id}: ${closest.misses.join('; ')}`;
  const defers = policy.classes[workload.class].whenNone === 'defer';
  return refusal('deadline_unreachable', message, defers ? waitToEndMs(closest) : undefined);
}

const describeMisses = (usable: readonly Assessment[]): string =>
  usable.map(({ model, misses }) => `${model.id}: ${misses.join('; ')}`).join('; ');

// Waiting helps only where waiting was part of the miss; a run that is too long today is too long tomorrow.
function waitToEndMs({ predicted }: Assessment): number | undefined {
  const waitMs = predicted?.waitMs ?? 0;
  return waitMs > 0 && Number.isFinite(waitMs) ? waitMs : undefined;
}
