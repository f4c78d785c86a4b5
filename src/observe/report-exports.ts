import { messageOf } from '../core/errors.ts';
import type { EmitEvent } from '../core/events.ts';

type Outcome = { readonly code: number; readonly error?: Error };
type Exporter<Data> = { export(data: Data, done: (result: Outcome) => void): void };

/** `ExportResultCode.SUCCESS` of the SDK. */
const SUCCESS = 0;

/** Has the operator told once when an exporter begins to fail, and when it works again; what failed is dropped. */
export function reportExports<Data, Kind extends Exporter<Data>>(
  exporter: Kind & Exporter<Data>,
  { what, url, emit }: { readonly what: string; readonly url: string; readonly emit: EmitEvent },
): Kind {
  let isFailing = false;
  const send = exporter.export.bind(exporter);
  exporter.export = (data, done) =>
    send(data, (result) => {
      const failed = result.code !== SUCCESS;
      if (failed !== isFailing) {
        const why = result.error === undefined ? 'no reason given' : messageOf(result.error);
        const message = failed
          ? `${what} cannot be sent to ${url}: ${why}; what could not be sent is dropped, requests go on`
          : `${what} are sent to ${url} again`;
        emit({ kind: 'gateway.notice', level: failed ? 'warn' : 'info', message });
      }
      isFailing = failed;
      done(result);
    });
  return exporter;
}
