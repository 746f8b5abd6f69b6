/** A JSON schema; the README lists the keywords that are understood. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };
