// A repair that another program undoes each time, because the repair wakes it: the two would keep each other, and the log,
// busy for good.
export interface Contest {
  /** Of a repair; what to say of it, if anything. `now`: milliseconds, monotonic. */
  repaired(changes: string, now: number): string | undefined;
  /** How long to leave the kernel alone until the next one. */
  pauseMs(now: number): number;
}

const leastPauseMs = 200;
/** Still within the two seconds in which what is lost comes back. */
const contestedPauseMs = 1500;
/** That often the same in a row is no accident. */
const patience = 10;
const rowEndsMs = 10_000;

export function newContest(): Contest {
  let last = { changes: "", at: 0, times: 0 };
  return {
    repaired: (changes, now) => {
      const isAgain = changes === last.changes && now - last.at < rowEndsMs;
      last = { changes, at: now, times: isAgain ? last.times + 1 : 1 };
      if (last.times > patience) return undefined;
      if (last.times < patience) return changes;
      return (
        `${changes}: for the ${patience}th time in a row, so another program undoes it each time. ` +
        `It is still repaired, every ${contestedPauseMs / 1000} s, and not said again; find that program and stop it`
      );
    },
    pauseMs: (now) => {
      return last.times >= patience && now - last.at < rowEndsMs ? contestedPauseMs : leastPauseMs;
    },
  };
}
