import { basename, dirname, sep } from 'node:path';
import type { Files } from './host.ts';

/** Storage a file lies on. */
export type Disk = {
  /** As the kernel names it: `mmcblk0p2`, `nvme0n1p1`. */
  readonly device: string;
  readonly kind: 'sd' | 'emmc' | 'nvme' | 'ssd' | 'hard-disk' | 'virtual' | 'memory' | 'unknown';
  /** For people. */
  readonly name: string;
  readonly fileSystem: string;
  /** What this kind usually reads, bytes per second; undefined where that differs too much to say. */
  readonly usualBytesPerSec: number | undefined;
};

/**
 * The disk under a path of the machine, by its mount table; undefined where that cannot be read. Usual speeds are those
 * of boards: SD cards 20 to 40 MB/s, eMMC about 150, NVMe over 1,000 (board facts).
 */
export function diskOf(path: string, files: Files): Disk | undefined {
  const mount = mounts(files)
    .filter(({ point }) => path === point || path.startsWith(point === sep ? sep : point + sep))
    .toSorted((a, b) => a.point.length - b.point.length)
    .at(-1);
  if (mount === undefined) return undefined;
  const { number, fileSystem } = mount;
  const named = /^DEVNAME=(.+)$/m.exec(files.text(`sys/dev/block/${number}/uevent`) ?? '')?.[1];
  const device = named ?? basename(mount.source);
  return { device, fileSystem, ...kindOf(device, fileSystem, files) };
}

type Mount = { readonly number: string; readonly point: string; readonly fileSystem: string; readonly source: string };

// proc(5): id parent major:minor root point options [tags] - type source options; later mounts lie over earlier ones.
function mounts(files: Files): readonly Mount[] {
  return (files.text('proc/self/mountinfo') ?? '').split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const after = fields.slice(fields.indexOf('-') + 1);
    const [fileSystem, source] = after;
    const [number, point] = [fields[2], fields[4]];
    if (number === undefined || point === undefined || fileSystem === undefined || source === undefined) return [];
    return [{ number, point: unescaped(point), fileSystem, source }];
  });
}

const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

type Kind = Pick<Disk, 'kind' | 'name' | 'usualBytesPerSec'>;

function kindOf(device: string, fileSystem: string, files: Files): Kind {
  if (device.startsWith('nvme')) return { kind: 'nvme', name: 'NVMe', usualBytesPerSec: 1000e6 };
  const card = /^mmcblk\d+/.exec(device)?.[0];
  if (card !== undefined) {
    return files.text(`sys/block/${card}/device/type`) === 'SD'
      ? { kind: 'sd', name: 'SD card', usualBytesPerSec: 30e6 }
      : { kind: 'emmc', name: 'eMMC', usualBytesPerSec: 150e6 };
  }
  const disk = /^(sd[a-z]+|vd[a-z]+)/.exec(device)?.[0];
  if (disk?.startsWith('vd')) return { kind: 'virtual', name: 'virtual disk', usualBytesPerSec: undefined };
  if (disk !== undefined) {
    return files.text(`sys/block/${disk}/queue/rotational`) === '1'
      ? { kind: 'hard-disk', name: 'hard disk', usualBytesPerSec: undefined }
      : { kind: 'ssd', name: 'SSD', usualBytesPerSec: undefined };
  }
  if (fileSystem === 'tmpfs') return { kind: 'memory', name: 'memory', usualBytesPerSec: undefined };
  return { kind: 'unknown', name: 'storage of a kind not known', usualBytesPerSec: undefined };
}

/** Folder of a path that is nearest and exists there. */
export function existingFolder(path: string, files: Files): string {
  let folder = path;
  while (!files.exists(folder) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}
