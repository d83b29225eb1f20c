// What a program says first of its failure, which is most of it.
export function firstLine(text: string): string {
  return text.trim().split("\n")[0] ?? "";
}
