// Prints the unit or the user of the service, as the built package's own generator makes them.
// Arguments: the folder of the unpacked package, and "service" or "sysusers".
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [folder = '', what] = process.argv.slice(2);
const { SYSUSERS, systemdUnit } = await import(pathToFileURL(join(folder, 'dist/src/init/systemd-unit.js')).href);
const unit = systemdUnit({
  program: ['/usr/bin/sluice'],
  policyFile: '/etc/sluice/routing-policy.yaml',
  scope: 'system',
  // A package does not know its board: the devices are let in where they exist.
  npu: true,
  readsHomes: false,
});
process.stdout.write(what === 'sysusers' ? SYSUSERS : unit.replace(/^# Written by .*\n/, ''));
