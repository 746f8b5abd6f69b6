import { GptLineageError, show } from '../errors.js';
import { Grammar, type GrammarState, type Rule } from './grammar.js';

/** A JSON schema; the README lists the keywords that are understood. */
export type JsonSchema = boolean | { readonly [keyword: string]: unknown };

/** A schema that generation cannot be held to. */
export class UnsupportedSchemaError extends GptLineageError {
  readonly code = 'gpt-core/unsupported-schema';
  /** JSON pointer to the place */
  readonly pointer: string;

  constructor(pointer: string, problem: string) {
    super(`JSON schema at ${pointer || '/'}: ${problem}.`);
    this.pointer = pointer;
  }
}

/** Keywords that say something about the value, by what understands them. */
const understood = new Set([
  ...['type', 'enum', 'const', 'anyOf', '$ref', '$defs', 'definitions'],
  ...['properties', 'required', 'additionalProperties'],
  ...['items', 'minItems', 'maxItems', 'minLength', 'maxLength'],
]);
/** Keywords that no value can violate. */
const annotations = new Set([
  ...['title', 'description', 'default', 'examples', '$schema', '$id', '$comment', 'deprecated'],
  ...['readOnly', 'writeOnly', 'strict', 'name'],
]);
const types = ['null', 'boolean', 'integer', 'number', 'string', 'array', 'object'];

/**
 * The texts that a schema accepts, as a grammar over bytes. JSON is written compactly, with at most one space after a
 * comma or a colon.
 *
 * @throws {UnsupportedSchemaError} a keyword that is not understood: nothing is silently left unchecked
 */
export function compileSchema(schema: JsonSchema): GrammarState {
  const grammar = new Grammar();
  return grammar.start(new SchemaCompiler(grammar, schema).rule(schema, ''));
}

class SchemaCompiler {
  readonly #grammar: Grammar;
  readonly #root: JsonSchema;
  readonly #checked = new Set<string>();

  constructor(grammar: Grammar, root: JsonSchema) {
    this.#grammar = grammar;
    this.#root = root;
  }

  rule(schema: unknown, at: string): Rule {
    const g = this.#grammar;
    if (schema === true) return this.#any();
    if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) {
      const problem = schema === false ? 'false accepts no value' : `${show(schema)} is not a schema`;
      throw new UnsupportedSchemaError(at, problem);
    }
    const fields = schema as Record<string, unknown>;
    for (const keyword of Object.keys(fields)) {
      if (understood.has(keyword) || annotations.has(keyword)) continue;
      const hint = keyword === 'oneOf' ? '; anyOf is' : '';
      throw new UnsupportedSchemaError(at, `the keyword "${keyword}" is not supported${hint}`);
    }
    if (fields.$ref !== undefined) return this.#reference(fields.$ref, at);
    if (fields.const !== undefined) return g.text(JSON.stringify(fields.const));
    if (fields.enum !== undefined) {
      const values = fields.enum;
      if (!Array.isArray(values) || values.length === 0) {
        throw new UnsupportedSchemaError(`${at}/enum`, 'must be a list with at least one value');
      }
      return g.choice(...values.map((value) => g.text(JSON.stringify(value))));
    }
    if (fields.anyOf !== undefined) {
      const options = fields.anyOf;
      if (!Array.isArray(options) || options.length === 0) {
        throw new UnsupportedSchemaError(`${at}/anyOf`, 'must be a list with at least one schema');
      }
      return g.choice(...options.map((option, i) => this.rule(option, `${at}/anyOf/${i}`)));
    }
    const named = fields.type ?? this.#impliedType(fields);
    if (named === undefined) return this.#any();
    const list = Array.isArray(named) ? named : [named];
    if (list.length === 0) throw new UnsupportedSchemaError(`${at}/type`, 'names no type');
    return g.choice(...list.map((type) => this.#typed(type, fields, at)));
  }

  #impliedType(fields: Record<string, unknown>): string | undefined {
    if ('properties' in fields || 'required' in fields || 'additionalProperties' in fields) return 'object';
    if ('items' in fields || 'minItems' in fields || 'maxItems' in fields) return 'array';
    return 'minLength' in fields || 'maxLength' in fields ? 'string' : undefined;
  }

  #reference(reference: unknown, at: string): Rule {
    if (typeof reference !== 'string' || !reference.startsWith('#')) {
      throw new UnsupportedSchemaError(
        `${at}/$ref`,
        `${show(reference)} is not a place in this schema (#/$defs/name)`,
      );
    }
    const pointer = reference.slice(1);
    let target: unknown = this.#root;
    for (const part of pointer.split('/').slice(1)) {
      const key = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~');
      target =
        typeof target === 'object' && target !== null && Object.hasOwn(target, key)
          ? (target as Record<string, unknown>)[key]
          : undefined;
    }
    if (target === undefined) throw new UnsupportedSchemaError(`${at}/$ref`, `${reference} does not exist`);
    const rule = this.#grammar.lazy(`ref ${pointer}`, () => this.rule(target, pointer));
    // Compiled now as well, so that an unsupported keyword shows before generation; a schema may refer to itself.
    if (!this.#checked.has(pointer)) {
      this.#checked.add(pointer);
      if (rule.kind === 'lazy') rule.make();
    }
    return rule;
  }

  #typed(type: unknown, fields: Record<string, unknown>, at: string): Rule {
    const g = this.#grammar;
    switch (type) {
      case 'null':
        return g.text('null');
      case 'boolean':
        return g.choice(g.text('true'), g.text('false'));
      case 'integer':
        return this.#integer();
      case 'number':
        return this.#number();
      case 'string':
        return this.#string(
          limit(fields, 'minLength', 0, at),
          limit(fields, 'maxLength', Number.POSITIVE_INFINITY, at),
        );
      case 'array': {
        const item = fields.items === undefined ? this.#any() : this.rule(fields.items, `${at}/items`);
        const least = limit(fields, 'minItems', 0, at);
        const most = limit(fields, 'maxItems', Number.POSITIVE_INFINITY, at);
        return g.sequence(g.byte(0x5b), this.#items(item, least, most, 0));
      }
      case 'object':
        return this.#object(fields, at);
      default:
        throw new UnsupportedSchemaError(`${at}/type`, `${show(type)} is not one of ${types.join(', ')}`);
    }
  }

  #integer(): Rule {
    const g = this.#grammar;
    return g.lazy('integer', () => {
      const digit = g.byte([0x30, 0x39]);
      return g.sequence(
        g.optional(g.byte(0x2d)),
        g.choice(g.byte(0x30), g.sequence(g.byte([0x31, 0x39]), g.many(digit))),
      );
    });
  }

  #number(): Rule {
    const g = this.#grammar;
    return g.lazy('number', () => {
      const digit = g.byte([0x30, 0x39]);
      const digits = g.sequence(digit, g.many(digit));
      const sign = g.optional(g.byte(0x2b, 0x2d));
      return g.sequence(
        this.#integer(),
        g.optional(g.sequence(g.byte(0x2e), digits)),
        g.optional(g.sequence(g.byte(0x45, 0x65), sign, digits)),
      );
    });
  }

  /** One character inside of a string: UTF-8 without control characters, or an escape. */
  #character(): Rule {
    const g = this.#grammar;
    return g.lazy('character', () => g.choice(this.#unescaped(), this.#escape()));
  }

  #unescaped(): Rule {
    const g = this.#grammar;
    return g.lazy('unescaped', () =>
      g.choice(g.byte(0x20, 0x21, [0x23, 0x5b], [0x5d, 0x7f]), this.#multibyte()),
    );
  }

  /** RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
  #multibyte(): Rule {
    const g = this.#grammar;
    return g.lazy('multibyte', () => {
      const tail = g.byte([0x80, 0xbf]);
      return g.choice(
        g.sequence(g.byte([0xc2, 0xdf]), tail),
        g.sequence(g.byte(0xe0), g.byte([0xa0, 0xbf]), tail),
        g.sequence(g.byte([0xe1, 0xec], [0xee, 0xef]), tail, tail),
        g.sequence(g.byte(0xed), g.byte([0x80, 0x9f]), tail),
        g.sequence(g.byte(0xf0), g.byte([0x90, 0xbf]), tail, tail),
        g.sequence(g.byte([0xf1, 0xf3]), tail, tail, tail),
        g.sequence(g.byte(0xf4), g.byte([0x80, 0x8f]), tail, tail),
      );
    });
  }

  #escape(): Rule {
    const g = this.#grammar;
    return g.lazy('escape', () => {
      const hex = g.byte([0x30, 0x39], [0x41, 0x46], [0x61, 0x66]);
      const simple = g.byte(...Array.from('"\\/bfnrt', (c) => c.charCodeAt(0)));
      // \uD800 to \uDFFF are halves of a character; they are written as UTF-8 instead.
      const notSurrogate = g.choice(
        g.sequence(g.byte([0x30, 0x39], [0x41, 0x43], 0x45, 0x46, [0x61, 0x63], 0x65, 0x66), hex, hex, hex),
        g.sequence(g.byte(0x44, 0x64), g.byte([0x30, 0x37]), hex, hex),
      );
      return g.sequence(g.byte(0x5c), g.choice(simple, g.sequence(g.byte(0x75), notSurrogate)));
    });
  }

  #string(least: number, most: number): Rule {
    const g = this.#grammar;
    const quote = g.lazy('quote', () => g.byte(0x22));
    if (least === 0 && most === Number.POSITIVE_INFINITY) {
      return g.lazy('string', () => g.sequence(quote, g.many(this.#character()), quote));
    }
    const rest = (count: number): Rule =>
      g.lazy(`string ${least} ${most} ${count}`, () => {
        const options: Rule[] = [];
        if (count >= least) options.push(quote);
        // Beyond the least an unlimited string need not be counted on.
        if (count < most) {
          const next = most === Number.POSITIVE_INFINITY ? Math.min(count + 1, least) : count + 1;
          options.push(g.sequence(this.#character(), rest(next)));
        }
        return g.choice(...options);
      });
    return g.sequence(quote, rest(0));
  }

  #comma(): Rule {
    const g = this.#grammar;
    return g.lazy('comma', () => g.sequence(g.byte(0x2c), g.optional(g.byte(0x20))));
  }

  /** Items and the closing bracket, after `count` of them. */
  #items(item: Rule, least: number, most: number, count: number): Rule {
    const g = this.#grammar;
    return g.lazy(`items ${item.id} ${least} ${most} ${count}`, () => {
      const options: Rule[] = [];
      if (count >= least) options.push(g.byte(0x5d));
      if (count < most) {
        const next = most === Number.POSITIVE_INFINITY ? Math.min(count + 1, Math.max(least, 1)) : count + 1;
        const first = count === 0 ? [] : [this.#comma()];
        options.push(g.sequence(...first, item, this.#items(item, least, most, next)));
      }
      return g.choice(...options);
    });
  }

  #object(fields: Record<string, unknown>, at: string): Rule {
    const g = this.#grammar;
    const { properties = {}, required = [], additionalProperties = true } = fields;
    if (typeof properties !== 'object' || properties === null) {
      throw new UnsupportedSchemaError(`${at}/properties`, 'is not an object');
    }
    if (!Array.isArray(required) || required.some((key) => typeof key !== 'string')) {
      throw new UnsupportedSchemaError(`${at}/required`, 'is not a list of names');
    }
    const values = new Map(
      Object.entries(properties).map(([key, value]) => [key, this.rule(value, `${at}/properties/${key}`)]),
    );
    const other =
      additionalProperties === false
        ? undefined
        : this.rule(additionalProperties, `${at}/additionalProperties`);
    for (const key of required as string[]) {
      if (values.has(key)) continue;
      if (other === undefined)
        throw new UnsupportedSchemaError(`${at}/required`, `"${key}" is not a property`);
      values.set(key, other);
    }
    const names = [...values.keys()];
    const colon = g.sequence(g.byte(0x3a), g.optional(g.byte(0x20)));
    const unnamed = other && g.sequence(this.#otherKey(names, ''), colon, other);
    const identity = g.sequence().id; // tells apart objects that have the same names

    /** Members and the closing brace; `left` are the names that have not occurred. */
    const members = (left: readonly string[], first: boolean): Rule =>
      g.lazy(`members ${identity} ${left.map((name) => names.indexOf(name)).join()} ${first}`, () => {
        const comma = first ? [] : [this.#comma()];
        const options: Rule[] = left.map((name) => {
          const key = g.text(JSON.stringify(name));
          const rest = members(
            left.filter((other) => other !== name),
            false,
          );
          return g.sequence(...comma, key, colon, values.get(name)!, rest);
        });
        if (unnamed) options.push(g.sequence(...comma, g.byte(0x22), unnamed, members(left, false)));
        if (!left.some((name) => (required as string[]).includes(name))) options.push(g.byte(0x7d));
        return g.choice(...options);
      });
    return g.sequence(g.byte(0x7b), members(names, true));
  }

  /** The rest of a key that is none of `names`, of which `prefix` was read. Written without escapes. */
  #otherKey(names: readonly string[], prefix: string): Rule {
    const g = this.#grammar;
    const quote = g.byte(0x22);
    const candidates = names.filter((name) => name.startsWith(prefix) && /^[\x20-\x7e]*$/.test(name));
    if (candidates.length === 0) {
      return g.lazy('free key', () => g.sequence(g.many(this.#unescaped()), quote));
    }
    return g.lazy(`key ${JSON.stringify(candidates)} ${prefix}`, () => {
      const continuing = new Set(
        candidates.filter((name) => name !== prefix).map((name) => name.charCodeAt(prefix.length)),
      );
      const others = new Uint8Array(256);
      for (let byte = 0x20; byte < 0x80; byte++) {
        if (byte !== 0x22 && byte !== 0x5c && !continuing.has(byte)) others[byte] = 1;
      }
      const free = this.#otherKey([], '');
      const options = [g.sequence(g.choice(g.byteSet(others), this.#multibyte()), free)];
      for (const byte of continuing) {
        if (byte === 0x22 || byte === 0x5c) continue;
        options.push(
          g.sequence(g.byte(byte), this.#otherKey(candidates, prefix + String.fromCharCode(byte))),
        );
      }
      if (!candidates.includes(prefix)) options.push(quote);
      return g.choice(...options);
    });
  }

  /** Any JSON value. */
  #any(): Rule {
    const g = this.#grammar;
    return g.lazy('any', () => {
      const value = this.#any();
      const member = g.sequence(
        this.#string(0, Number.POSITIVE_INFINITY),
        g.byte(0x3a),
        g.optional(g.byte(0x20)),
        value,
      );
      const list = (item: Rule, close: number) =>
        g.choice(g.byte(close), g.sequence(item, g.many(g.sequence(this.#comma(), item)), g.byte(close)));
      return g.choice(
        g.text('null'),
        g.text('true'),
        g.text('false'),
        this.#number(),
        this.#string(0, Number.POSITIVE_INFINITY),
        g.sequence(g.byte(0x5b), list(value, 0x5d)),
        g.sequence(g.byte(0x7b), list(member, 0x7d)),
      );
    });
  }
}

function limit(fields: Record<string, unknown>, keyword: string, fallback: number, at: string): number {
  const value = fields[keyword];
  if (value === undefined) return fallback;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value;
  throw new UnsupportedSchemaError(`${at}/${keyword}`, `${show(value)} is not a whole number of at least 0`);
}
