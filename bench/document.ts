// Puts a report into a document, between the markers that keep its place.
import fs from "node:fs";

/** `name` of the markers: `<!-- name -->` and `<!-- /name -->`. */
export function updateDocument(file: string, name: string, report: string): void {
  const begin = `<!-- ${name} -->`;
  const end = `<!-- /${name} -->`;
  const text = fs.readFileSync(file, "utf8");
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${file} has no place for the report: ${begin} and then ${end}`);
  fs.writeFileSync(file, `${text.slice(0, from)}${begin}\n\n${report}\n\n${text.slice(to)}`);
}
