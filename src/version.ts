// podwire's own version, put in by the build.
declare const PODWIRE_VERSION: string | undefined;

export const podwireVersion: string = typeof PODWIRE_VERSION === "string" ? PODWIRE_VERSION : "unbuilt";
