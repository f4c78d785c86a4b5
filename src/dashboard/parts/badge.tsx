import type { Provenance } from '../wire.ts';

/** How a badge is coloured; what it means stands in its text. */
export type Tone = 'good' | 'fair' | 'poor' | 'bad' | 'plain' | 'best';

/** A word that stands out. */
export function Badge({ tone, text, title }: { readonly tone: Tone; readonly text: string; readonly title?: string }) {
  return (
    <span class={`badge ${tone}`} title={title}>
      {text}
    </span>
  );
}

const PROVENANCES: Readonly<Record<Provenance, { readonly tone: Tone; readonly title: string }>> = {
  measured: { tone: 'good', title: 'measured on this machine' },
  observed: { tone: 'good', title: 'learned from live requests' },
  imported: { tone: 'fair', title: 'measured on another board of this kind' },
  reference: { tone: 'fair', title: 'published for this kind of board' },
  estimated: { tone: 'poor', title: 'estimated from the size of the model' },
};

/** Where a figure is from. */
export function Origin({ of }: { readonly of: Provenance }) {
  return <Badge {...PROVENANCES[of]} text={of} />;
}

const STATES: Readonly<Record<string, Tone>> = {
  ready: 'good',
  busy: 'best',
  starting: 'fair',
  loading: 'fair',
  draining: 'fair',
  backoff: 'poor',
  failed: 'bad',
  stopped: 'plain',
};

/** State of a child. */
export function ChildState({ kind, reason }: { readonly kind: string; readonly reason?: string | undefined }) {
  return <Badge tone={STATES[kind] ?? 'plain'} text={kind} {...(reason !== undefined && { title: reason })} />;
}

const VERDICTS: Readonly<Record<string, Tone>> = {
  excellent: 'good',
  comfortable: 'good',
  'best default': 'best',
  deliberate: 'fair',
  'batch only': 'poor',
  'not practical': 'bad',
};

/** What a model is good for. */
export function VerdictBadge({ verdict }: { readonly verdict: string }) {
  return <Badge tone={VERDICTS[verdict] ?? 'plain'} text={verdict} />;
}

const OUTCOMES: Readonly<Record<string, Tone>> = { ok: 'good', refused: 'poor', failed: 'bad', cancelled: 'plain' };

/** How a request ended, and whether its targets were met. */
export function Outcome({ outcome }: { readonly outcome: { readonly kind: string; readonly slo_met?: boolean } }) {
  if (outcome.kind === 'ok' && outcome.slo_met === false) return <Badge tone="fair" text="ok, late" />;
  return <Badge tone={OUTCOMES[outcome.kind] ?? 'plain'} text={outcome.kind} />;
}
