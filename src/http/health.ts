import type { HttpParts } from './parts.ts';

/** The process is alive; says nothing about models. */
export const health = () => ({ status: 'ok' });

/** Whether a request could be answered, and if not, why and what to do. */
export type Readiness = {
  readonly ready: boolean;
  readonly usable: readonly string[];
  readonly unusable: readonly { readonly model: string; readonly reason: string; readonly remedy: string }[];
  readonly message: string;
};

/** Ready = models have been looked at, at least one can be started, and we are not shutting down. */
export function readiness(parts: HttpParts): Readiness {
  const usable: string[] = [];
  const unusable: { model: string; reason: string; remedy: string }[] = [];
  for (const [model, { availability, residency }] of parts.supervisor.views()) {
    if (availability.kind === 'unavailable')
      unusable.push({ model, reason: availability.reason, remedy: availability.remedy });
    else if (residency.kind === 'failed') {
      const remedy = `see GET /router/models/${model}/logs, mend the cause, then POST /router/models/${model}/load`;
      unusable.push({ model, reason: residency.reason, remedy });
    } else usable.push(model);
  }
  const ready = !parts.isStarting() && !parts.isDraining() && usable.length > 0;
  return { ready, usable, unusable, message: explain(parts, usable.length) };
}

function explain(parts: HttpParts, usable: number): string {
  if (parts.isDraining()) return parts.drain.active ? 'drained: no new work is taken' : 'shutting down';
  if (parts.isStarting()) return 'starting: models are being looked at';
  if (usable > 0) return `${usable} of ${parts.policy().models.size} models can be used`;
  return `no usable model: each one's reason and remedy is listed; the policy is ${parts.policy().file}`;
}
