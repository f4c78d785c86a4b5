import { InvalidArgumentError } from 'commander';

/** A port as given on the command line, 0..65535; refuses anything else in commander's way. */
export function parsePort(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port <= 65_535) return port;
  throw new InvalidArgumentError('a port is a whole number from 0 to 65535.');
}
