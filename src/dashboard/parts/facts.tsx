import type { ComponentChildren } from 'preact';

/** Names with their values, beside each other where there is room. */
export function Facts({ facts }: { readonly facts: readonly (readonly [name: string, value: ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** What went wrong, announced when it comes. */
export function Trouble({ error }: { readonly error: Error | undefined }) {
  return <div role="alert">{error !== undefined && <p class="trouble">{error.message}</p>}</div>;
}

/** Heading of a view; it takes the focus when the view is opened. */
export function Title({ children }: { readonly children: ComponentChildren }) {
  return <h1 tabIndex={-1}>{children}</h1>;
}
