import { type Finding, fault, fine, note, warning } from '../finding.ts';
import { clusterName, type Files, type Host } from '../host.ts';

/** A thermal zone with the temperatures at which the kernel acts, °C. */
export type Zone = {
  readonly name: string;
  readonly celsius: number;
  /** Lowest passive or hot trip: clocks go down from here on. */
  readonly throttleCelsius: number | undefined;
  /** The machine switches itself off. */
  readonly criticalCelsius: number | undefined;
};

/** Zones that can be read now. */
export function readZones(files: Files): readonly Zone[] {
  const folder = 'sys/class/thermal';
  return files.names(folder, /^thermal_zone\d+$/).flatMap((zone) => {
    const celsius = files.number(`${folder}/${zone}/temp`);
    if (celsius === undefined) return [];
    const trips = files.names(`${folder}/${zone}`, /^trip_point_\d+_type$/).map((file) => ({
      type: files.text(`${folder}/${zone}/${file}`) ?? '',
      celsius: (files.number(`${folder}/${zone}/${file.replace('_type', '_temp')}`) ?? Number.NaN) / 1000,
    }));
    const lowest = (types: readonly string[]) => {
      const found = trips.filter((trip) => types.includes(trip.type) && trip.celsius > 0).map((trip) => trip.celsius);
      return found.length === 0 ? undefined : Math.min(...found);
    };
    return [
      {
        name: files.text(`${folder}/${zone}/type`) ?? zone,
        celsius: celsius / 1000,
        throttleCelsius: lowest(['passive', 'hot']),
        criticalCelsius: lowest(['critical']),
      },
    ];
  });
}

/** What holds clocks down now, one phrase each: active thermal cooling devices, and caps below what the hardware can. */
export function readThrottles(files: Files): readonly string[] {
  const folder = 'sys/class/thermal';
  const cooling = files.names(folder, /^cooling_device\d+$/).flatMap((device) => {
    const type = files.text(`${folder}/${device}/type`) ?? device;
    const state = files.number(`${folder}/${device}/cur_state`) ?? 0;
    if (state === 0 || !/cpufreq|devfreq|cpu-|processor/i.test(type)) return [];
    return [`${type} at step ${state} of ${files.number(`${folder}/${device}/max_state`) ?? '?'}`];
  });
  const clusters = 'sys/devices/system/cpu/cpufreq';
  const capped = files.names(clusters, /^policy\d+$/).flatMap((policy) => {
    const [now, can] = ['scaling_max_freq', 'cpuinfo_max_freq'].map((name) =>
      files.number(`${clusters}/${policy}/${name}`),
    );
    if (now === undefined || can === undefined || now >= can * 0.97) return [];
    return [`${clusterName(files, policy)} capped at ${Math.round(now / 1000)} of ${Math.round(can / 1000)} MHz`];
  });
  return [...cooling, ...capped];
}

/** Temperatures against trip points, throttling now, and the fan. */
export function checkHeat(host: Host): readonly Finding[] {
  const zones = readZones(host.files);
  return [temperature(zones), ...throttling(host, zones), ...fan(host, zones)];
}

const degrees = (celsius: number): string => `${celsius.toFixed(0)} °C`;

/** So near to a trip a load reaches it at once. */
const NEAR_CELSIUS = 5;

function temperature(zones: readonly Zone[]): Finding {
  const title = 'temperature';
  const hottest = zones.toSorted((a, b) => b.celsius - a.celsius)[0];
  if (hottest === undefined) {
    const why = 'usual in a virtual machine: heat cannot be seen, and throttling only by slower answers';
    return note('temperature', { title, measured: 'no thermal zone can be read', why });
  }
  const throttle = zones.flatMap(({ throttleCelsius }) => throttleCelsius ?? []);
  const trip = throttle.length === 0 ? undefined : Math.min(...throttle);
  const measured = `${hottest.name} ${degrees(hottest.celsius)}${trip === undefined ? '' : `, clocks go down from ${degrees(trip)}`}`;
  const cooling = 'fit a heat sink with a fan, then sluice doctor --load 10m';
  const dying = zones.find((zone) => zone.celsius >= (zone.criticalCelsius ?? Number.POSITIVE_INFINITY) - NEAR_CELSIUS);
  if (dying !== undefined) {
    const why = `${dying.name} has ${degrees(dying.celsius)}; at ${degrees(dying.criticalCelsius ?? 0)} the board switches itself off`;
    return fault('temperature', { title, measured, why }, cooling);
  }
  const reached = zones.find(
    (zone) => zone.celsius >= (zone.throttleCelsius ?? Number.POSITIVE_INFINITY) - NEAR_CELSIUS,
  );
  if (reached !== undefined) {
    const why = `${reached.name} has ${degrees(reached.celsius)}; from ${degrees(reached.throttleCelsius ?? 0)} on the kernel lowers clocks`;
    return warning('temperature', { title, measured, why }, cooling);
  }
  return fine('temperature', { title, measured, why: 'room to the first trip point' });
}

function throttling({ files }: Host, zones: readonly Zone[]): readonly Finding[] {
  const title = 'throttling';
  const held = readThrottles(files);
  if (held.length > 0) {
    const why =
      'the machine is slower than it can be: what is measured now, and every prediction from it, is of a throttled board';
    const remedy =
      'cool the board (heat sink, fan) and measure again: sluice bench. A cap without heat is a setting: grep . /sys/devices/system/cpu/cpufreq/policy*/scaling_max_freq';
    return [warning('throttling', { title, measured: held.join('; '), why }, remedy)];
  }
  if (zones.length === 0) return [];
  const why = 'nothing holds a clock down now; sluice doctor --load 10m shows how it is under load';
  return [fine('throttling', { title, measured: 'none now', why })];
}

const WARM_CELSIUS = 70;

function fan({ files, soc }: Host, zones: readonly Zone[]): readonly Finding[] {
  if (soc === undefined) return [];
  const title = 'fan';
  const folder = 'sys/class/thermal';
  const found = files
    .names(folder, /^cooling_device\d+$/)
    .find((device) => /fan/i.test(files.text(`${folder}/${device}/type`) ?? ''));
  if (found === undefined) {
    const why = `the kernel knows of none (one that always runs cannot be seen); without active cooling ${soc.name} boards throttle after 5 to 10 minutes of load`;
    return [note('fan', { title, measured: 'none seen', why }, 'sluice doctor --load 10m')];
  }
  const state = files.number(`${folder}/${found}/cur_state`) ?? 0;
  const measured = `${files.text(`${folder}/${found}/type`)} at step ${state} of ${files.number(`${folder}/${found}/max_state`) ?? '?'}`;
  const hottest = Math.max(...zones.map(({ celsius }) => celsius));
  if (state === 0 && hottest >= WARM_CELSIUS) {
    const why = `it stands still at ${degrees(hottest)}`;
    return [
      warning(
        'fan',
        { title, measured, why },
        `echo 1 | sudo tee /${folder}/${found}/cur_state; check the plug if it does not turn`,
      ),
    ];
  }
  return [fine('fan', { title, measured, why: 'the kernel drives it by temperature' })];
}
