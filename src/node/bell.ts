// Wakes a loop when something happened, also when that was while the loop was at work.
export interface Bell {
  ring(): void;
  reset(): void;
  /** Resolves when it has been rung since the last reset, or after a time. */
  rung(timeoutMs: number | undefined): Promise<void>;
}

export function newBell(stop: AbortSignal): Bell {
  let isRung = false;
  let wake = () => {};
  const ring = () => {
    isRung = true;
    wake();
  };
  stop.addEventListener("abort", ring, { once: true });
  return {
    ring,
    reset: () => {
      isRung = stop.aborted;
    },
    rung: async (timeoutMs) => {
      if (isRung) return;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
        if (timeoutMs !== undefined) timer = setTimeout(resolve, timeoutMs);
      });
      clearTimeout(timer);
    },
  };
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
