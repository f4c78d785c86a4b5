import type { GatewayEvent } from '../core/events.ts';
import type { Registry } from './registry.ts';

type OtherEvent = Exclude<GatewayEvent, { kind: 'request.finished' | 'child.log' }>;

/** Counts what happens beside the end of a request. */
export function createEventMetrics(registry: Registry): (event: OtherEvent) => void {
  const counter = (name: string, help: string, labels: readonly string[]) => {
    const family = registry.counter({ name, help, labels });
    return (...values: readonly string[]) => {
      family.of(...values).value += 1;
    };
  };
  const rejected = counter('sluice_requests_rejected_total', 'Requests refused before they were classified.', ['code']);
  const retried = counter('sluice_requests_retried_total', 'Runs that failed and were tried on another model.', [
    'model',
  ]);
  const preempted = counter('sluice_requests_preempted_total', 'Runs that made way for more urgent work (by).', [
    'model',
    'by',
  ]);
  const looped = counter('sluice_requests_looped_total', 'Answers broken off because they repeated themselves.', [
    'model',
  ]);
  const failures = counter('sluice_child_failures_total', 'Children that crashed or could not be started.', ['model']);
  const evicted = counter('sluice_child_evictions_total', 'Models unloaded to make room for another.', ['model']);
  const policies = counter('sluice_policy_changes_total', 'Policy files read: loaded, or rejected as invalid.', [
    'result',
  ]);
  const notices = counter('sluice_notices_total', 'Messages to the operator, by level.', ['level']);
  return (event) => {
    switch (event.kind) {
      case 'request.rejected':
        return rejected(event.code);
      case 'request.retried':
        return retried(event.from);
      case 'request.preempted':
        return preempted(event.model, event.by);
      case 'request.looped':
        return looped(event.model);
      case 'child.state':
        if (event.to === 'backoff' || event.to === 'failed') failures(event.model);
        return;
      case 'child.evicted':
        return evicted(event.model);
      case 'policy.loaded':
        return policies('loaded');
      case 'policy.rejected':
        return policies('rejected');
      case 'gateway.notice':
        return notices(event.level);
    }
  };
}
