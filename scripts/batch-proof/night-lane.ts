/** Who has a device: people before items, and an item makes way for them. */
export interface NightLane {
  /** Calls `start` once the device is free; the caller frees it. */
  people(start: () => void): void;
  /** The same for an item; `makeWay` is called when somebody comes while it has the device, which is taken from it. */
  item(start: () => void, makeWay: () => void): void;
  free(): void;
  /** True while somebody has or waits for it. */
  hasPeople(): boolean;
}

type Waiting = { readonly start: () => void; readonly makeWay: (() => void) | undefined };

/** A device with one lane. */
export function createNightLane(): NightLane {
  const people: Waiting[] = [];
  const items: Waiting[] = [];
  let holder: Waiting | undefined;
  const next = () => {
    if (holder !== undefined) return;
    holder = people.shift() ?? items.shift();
    holder?.start();
  };
  return {
    people: (start) => {
      people.push({ start, makeWay: undefined });
      const { makeWay } = holder ?? {};
      if (makeWay !== undefined) {
        holder = undefined;
        makeWay();
      }
      next();
    },
    item: (start, makeWay) => {
      items.push({ start, makeWay });
      next();
    },
    free: () => {
      holder = undefined;
      next();
    },
    hasPeople: () => people.length > 0 || (holder !== undefined && holder.makeWay === undefined),
  };
}
