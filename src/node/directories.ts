// Looks at files as soon as something happens in their directories. Only a help: a file system that tells nothing is looked at by
// the clock.
import fs from "node:fs";

export interface Directories {
  /** Replaces those that were followed. */
  follow(directories: readonly string[]): void;
}

export function followDirectories(happened: () => void): Directories {
  const followed = new Map<string, fs.FSWatcher>();
  const forget = (directory: string) => {
    followed.get(directory)?.close();
    followed.delete(directory);
  };
  return {
    follow: (directories) => {
      for (const old of [...followed.keys()].filter((name) => !directories.includes(name))) forget(old);
      for (const directory of new Set(directories)) {
        if (followed.has(directory)) continue;
        try {
          const watcher = fs.watch(directory, { persistent: false }, happened);
          watcher.on("error", () => forget(directory));
          followed.set(directory, watcher);
        } catch {
          // It is not there yet, or cannot be followed.
        }
      }
    },
  };
}
