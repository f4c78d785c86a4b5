import { messageOf } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';
import type { LaneTicket } from '../supervise/lane.ts';
import type { Lease, ReleaseKind } from '../supervise/supervisor-types.ts';

/**
 * Gives a slot and then its lane back. The lane is free only when the engine really is: after an abort it may still be in
 * a prefill batch. Without a slot the lane is free at once.
 */
export function giveBack(
  { lease, ticket }: { readonly lease: Lease | undefined; readonly ticket: LaneTicket | undefined },
  how: ReleaseKind,
  emit: EmitEvent,
): void {
  if (lease === undefined) {
    ticket?.release();
    return;
  }
  lease
    .release(how)
    .catch((error: unknown) => {
      emit({ kind: 'gateway.notice', level: 'error', message: `releasing ${lease.model}: ${messageOf(error)}` });
    })
    .finally(() => ticket?.release());
}
