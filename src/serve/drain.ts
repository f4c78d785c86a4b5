/** An operator's wish that no new work be taken, for maintenance; children stay as they are. */
export interface Drain {
  readonly active: boolean;
  begin(): void;
  end(): void;
}

/** Not draining yet. */
export function createDrain(): Drain {
  let active = false;
  return {
    get active() {
      return active;
    },
    begin: () => {
      active = true;
    },
    end: () => {
      active = false;
    },
  };
}
