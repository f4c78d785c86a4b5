import { statfsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { formatBytes, formatDurationMs } from '../../core/format.ts';
import { type Disk, diskOf, existingFolder } from '../disk.ts';
import { about, type Finding, fault, fine, note, warning } from '../finding.ts';
import type { Host } from '../host.ts';
import type { LookedModel } from '../look-at-models.ts';

/** Storage of the models with the cold starts to be expected of it, and the data folder. */
export async function checkStorage(host: Host): Promise<readonly Finding[]> {
  const byDevice = new Map<string, { readonly disk: Disk; readonly models: LookedModel[] }>();
  for (const looked of host.models) {
    if (looked.content.kind !== 'present') continue;
    const disk = diskOf(looked.file, host.files);
    if (disk === undefined) continue;
    const known = byDevice.get(disk.device);
    if (known === undefined) byDevice.set(disk.device, { disk, models: [looked] });
    else known.models.push(looked);
  }
  const found = [...byDevice.values()].map(({ disk, models }) => storage(host, disk, models));
  const all = found.length === 0 ? emptyStorage(host) : await Promise.all(found);
  return [...all, ...dataFolder(host), ...database(host)];
}

/** Slower than this a model of a few GB takes over a minute to load. */
const SLOW_BYTES_PER_SEC = 60e6;
/** What a start costs beside reading the file, ms; as in the size law. */
const START_MS = 500;

async function storage(host: Host, disk: Disk, models: readonly LookedModel[]): Promise<Finding> {
  const sized = models.flatMap((looked) =>
    looked.content.kind === 'present'
      ? [{ looked, path: looked.content.path, bytes: looked.content.facts.weightsBytes }]
      : [],
  );
  const largest = sized.toSorted((a, b) => b.bytes - a.bytes)[0];
  const { tools, files } = host;
  const read = files.live && largest !== undefined ? await tools.readSpeed(largest.path) : undefined;
  const speed = read ?? disk.usualBytesPerSec;
  const colds = sized.flatMap(({ looked, bytes }) => {
    const measured = looked.profile.loadColdMs;
    if (measured !== undefined && measured.provenance === 'measured')
      return [`${looked.model.id} ${formatDurationMs(measured.value)} (measured)`];
    if (speed === undefined) return [];
    return [`${looked.model.id} ${formatDurationMs(START_MS + (bytes / speed) * 1000)}`];
  });
  const rate =
    read !== undefined
      ? `${formatBytes(read)}/s read from ${largest?.looked.file}`
      : speed === undefined
        ? 'speed not measured'
        : `usually ${formatBytes(speed)}/s, not measured`;
  const fact = {
    title: `storage ${disk.device}`,
    measured: `${disk.name}, ${disk.fileSystem}; ${rate}${colds.length === 0 ? '' : `; cold start: ${colds.join(', ')}`}`,
  };
  const id = about('storage', disk.device);
  if (speed !== undefined && speed < SLOW_BYTES_PER_SEC) {
    const why = `a model's first load reads its whole file; NVMe does 1000 MB/s, eMMC 150, an SD card 20 to 40`;
    return warning(
      id,
      { ...fact, why },
      'move the models to NVMe or eMMC (rsync -a --progress) and correct models.*.file, or keep them resident',
    );
  }
  const why = 'a model whose file is not in the page cache loads at this speed; later loads read memory';
  return speed === undefined ? note(id, { ...fact, why }) : fine(id, { ...fact, why });
}

function emptyStorage(host: Host): readonly Finding[] {
  if (host.policy.kind !== 'valid') return [];
  const folder = host.files.shown(dirname(resolve(host.policy.file)));
  const disk = diskOf(existingFolder(folder, host.files), host.files);
  if (disk === undefined) return [];
  const measured = `${disk.name}, ${disk.fileSystem}; no model file to read from`;
  const why =
    'the speed of the storage decides how long a first load takes; NVMe does 1000 MB/s, eMMC 150, an SD card 20 to 40';
  return [note(about('storage', disk.device), { title: `storage ${disk.device}`, measured, why })];
}

/** Batches, results and logs need little; a full disk stops records, not requests. */
const FREE_BYTES_MIN = 1e9;

function dataFolder({ files, dataDir }: Host): readonly Finding[] {
  if (!files.live) return [];
  const title = 'data folder';
  if (!files.exists(dataDir)) {
    const parent = existingFolder(dataDir, files);
    const fact = {
      title,
      measured: `${dataDir} does not exist`,
      why: 'it holds benchmarks, observations, batches and logs',
    };
    return files.mayUse(parent)
      ? [note('data-folder', { ...fact, why: `${fact.why}; sluice serve makes it` }, `mkdir -p ${dataDir}`)]
      : [
          fault(
            'data-folder',
            { ...fact, why: `${fact.why}; this user may not write in ${parent}` },
            `sudo install -d -o $USER ${dataDir}`,
          ),
        ];
  }
  if (!files.mayUse(dataDir)) {
    const why = 'without it nothing measured is kept, and sluice serve does not start';
    return [
      fault(
        'data-folder',
        { title, measured: `${dataDir}: this user may not write`, why },
        `sudo chown -R $USER ${dataDir}`,
      ),
    ];
  }
  const { bavail, bsize } = statfsSync(dataDir);
  const measured = `${dataDir}, ${formatBytes(bavail * bsize)} free`;
  if (bavail * bsize < FREE_BYTES_MIN) {
    const why = 'requests go on when the disk is full, but what they teach, batches and benchmarks are lost';
    return [warning('data-folder', { title, measured, why }, `du -xh --max-depth=1 ${dataDir} | sort -h`)];
  }
  return [fine('data-folder', { title, measured, why: 'writable, with room' })];
}

function database({ storeProblem, dataDir }: Host): readonly Finding[] {
  if (storeProblem === undefined) return [];
  const title = 'database';
  const why = 'measured figures cannot be read, so this report judges by published and estimated ones';
  if (storeProblem.kind === 'older') {
    const { file, found, wanted } = storeProblem;
    const measured = `${file} has schema ${found}, this Sluice writes ${wanted}`;
    const after = `${why}; the next sluice serve brings it up to date, with what it holds`;
    return [note('database', { title, measured, why: after }, 'restart the gateway with this Sluice')];
  }
  const remedy = `move ${dataDir}/sluice.db aside (a new one is made) or use the Sluice that wrote it`;
  return [fault('database', { title, measured: storeProblem.reason, why }, remedy)];
}
