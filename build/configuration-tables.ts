// From a zod schema to the rows of a table: every key with what it may hold and what it means. Limits are
// conditions in code, which JSON Schema does not show; they are learnt from the message by which the schema
// refuses a bad value, so that the documentation says what users are told.
import * as z from "zod/mini";

export interface Row {
  /** Path of the key; [] stands for each element of a list. */
  readonly key: string;
  readonly required: boolean;
  readonly value: string;
  readonly meaning: string;
}

interface Shape {
  readonly description?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly items?: Shape;
  readonly properties?: Readonly<Record<string, Shape>>;
  readonly additionalProperties?: Shape | boolean;
  readonly required?: readonly string[];
  /** Added here: what the schema says it expects. */
  expected?: string;
}

/** No text, number or list that any of our schemas takes. */
const badValues: readonly unknown[] = ["\0", -0.5];

export function rowsOf(schema: z.core.$ZodType): Row[] {
  const shape = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
    override: ({ zodSchema, jsonSchema }) => {
      const expected = expectationOf(zodSchema, jsonSchema as Shape);
      if (expected !== undefined) (jsonSchema as Shape).expected = expected;
    },
  }) as Shape;
  return rowsBelow("", shape);
}

function expectationOf(schema: z.core.$ZodType, shape: Shape): string | undefined {
  if (shape.properties !== undefined || shape.type === "array" || shape.enum !== undefined) return undefined;
  for (const value of badValues) {
    const message = z.safeParse(schema, value).error?.issues[0]?.message;
    const expected = /^expected (.*)$/.exec(message ?? "")?.[1];
    if (expected !== undefined) return expected;
  }
  return undefined;
}

function rowsBelow(path: string, shape: Shape): Row[] {
  if (shape.items !== undefined) return rowsBelow(`${path}[]`, shape.items);
  const { properties = {}, required = [] } = shape;
  return Object.entries(properties).flatMap(([name, child]) => {
    const key = path === "" ? name : `${path}.${name}`;
    const row = {
      key,
      required: required.includes(name),
      value: describeValue(child),
      meaning: child.description ?? "",
    };
    return [row, ...rowsBelow(key, child)];
  });
}

function describeValue(shape: Shape): string {
  if (shape.expected !== undefined) return shape.expected;
  if (shape.const !== undefined) return code(shape.const);
  if (shape.enum !== undefined) return shape.enum.map(code).join(", ");
  switch (shape.type) {
    case "array":
      return shape.items?.properties === undefined ? `list of: ${describeValue(shape.items ?? {})}` : "list";
    case "boolean":
      return "true or false";
    case "object":
      return typeof shape.additionalProperties === "object" && shape.properties === undefined
        ? `object of: ${describeValue(shape.additionalProperties)}`
        : "object";
    case "string":
      return "text";
    default:
      return shape.type ?? "anything";
  }
}

function code(value: unknown): string {
  return `\`${JSON.stringify(value)}\``;
}
