// Ages as people say them: the two largest units.
const units = [
  ["d", 86_400],
  ["h", 3600],
  ["m", 60],
  ["s", 1],
] as const;

/** Empty if the time is not known. */
export function formatAge(since: string | undefined, now: number): string {
  const begun = Date.parse(since ?? "");
  if (Number.isNaN(begun)) return "";
  // A clock that was set back makes nothing younger than now.
  let rest = Math.max(0, Math.floor((now - begun) / 1000));
  const parts = units.flatMap(([unit, seconds]) => {
    const count = Math.floor(rest / seconds);
    rest %= seconds;
    return count === 0 ? [] : [`${count}${unit}`];
  });
  return parts.slice(0, 2).join("") || "0s";
}
