/**
 * A grammar over bytes that is read one byte at a time, with as many readings side by side as the text still allows.
 * Equal states are one object, so what follows from a state is computed once.
 */
export type Rule =
  /** One byte of a set */
  | { readonly kind: 'byte'; readonly id: number; readonly set: Uint8Array }
  | { readonly kind: 'sequence'; readonly id: number; readonly parts: readonly Rule[] }
  | { readonly kind: 'choice'; readonly id: number; readonly options: readonly Rule[] }
  /** Made when it is reached: recursion, and rules that count */
  | { readonly kind: 'lazy'; readonly id: number; readonly make: () => Rule };

/** What is still to be read, as a list whose equal tails are one object. */
interface Stack {
  readonly id: number;
  readonly head: Rule;
  readonly rest: Stack | null;
}

interface Edge {
  readonly set: Uint8Array;
  readonly to: Stack | null;
}

/** Where the reading of a text stands. */
export class GrammarState {
  readonly #grammar: Grammar;
  readonly #stacks: readonly (Stack | null)[];
  readonly #next: (GrammarState | null | undefined)[] = new Array(256);

  constructor(grammar: Grammar, stacks: readonly (Stack | null)[]) {
    this.#grammar = grammar;
    this.#stacks = stacks;
  }

  /** The text may end here. */
  get accepting(): boolean {
    return this.#stacks.some((stack) => this.#grammar.edges(stack).ends);
  }

  /** Nothing may follow. */
  get final(): boolean {
    return this.#stacks.every((stack) => this.#grammar.edges(stack).edges.length === 0);
  }

  /** After one more byte; `null` when no accepted text has it here. */
  next(byte: number): GrammarState | null {
    const known = this.#next[byte];
    if (known !== undefined) return known;
    const stacks = new Set<Stack | null>();
    for (const stack of this.#stacks) {
      for (const { set, to } of this.#grammar.edges(stack).edges) if (set[byte] === 1) stacks.add(to);
    }
    const state = stacks.size === 0 ? null : this.#grammar.state([...stacks]);
    this.#next[byte] = state;
    return state;
  }
}

export class Grammar {
  readonly #lazy = new Map<string, Rule>();
  readonly #stacks = new Map<string, Stack>();
  readonly #states = new Map<string, GrammarState>();
  readonly #edges = new Map<Stack | null, { edges: readonly Edge[]; ends: boolean }>([
    [null, { edges: [], ends: true }],
  ]);
  #count = 0;

  byte(...ranges: readonly (number | readonly [number, number])[]): Rule {
    const set = new Uint8Array(256);
    for (const range of ranges) {
      const [from, to] = typeof range === 'number' ? [range, range] : range;
      set.fill(1, from, to + 1);
    }
    return { kind: 'byte', id: this.#id(), set };
  }

  byteSet(set: Uint8Array): Rule {
    return { kind: 'byte', id: this.#id(), set };
  }

  sequence(...parts: readonly Rule[]): Rule {
    return { kind: 'sequence', id: this.#id(), parts };
  }

  choice(...options: readonly Rule[]): Rule {
    return { kind: 'choice', id: this.#id(), options };
  }

  /** Rules of one name are one rule; `make` is called when it is first reached. */
  lazy(name: string, make: () => Rule): Rule {
    let rule = this.#lazy.get(name);
    if (!rule) {
      let made: Rule | undefined;
      const once = () => {
        made ??= make();
        return made;
      };
      rule = { kind: 'lazy', id: this.#id(), make: once };
      this.#lazy.set(name, rule);
    }
    return rule;
  }

  /** Nothing */
  get empty(): Rule {
    return this.lazy('empty', () => this.sequence());
  }

  optional(rule: Rule): Rule {
    return this.choice(this.empty, rule);
  }

  /** Any number of times. */
  many(rule: Rule): Rule {
    const again: Rule = this.lazy(`many ${rule.id}`, () =>
      this.choice(this.empty, this.sequence(rule, again)),
    );
    return again;
  }

  /** Exactly this text, in UTF-8. */
  text(text: string): Rule {
    return this.sequence(...Array.from(new TextEncoder().encode(text), (byte) => this.byte(byte)));
  }

  start(rule: Rule): GrammarState {
    return this.state([this.#push(rule, null)]);
  }

  state(stacks: readonly (Stack | null)[]): GrammarState {
    const key = stacks
      .map((stack) => stack?.id ?? 0)
      .sort((a, b) => a - b)
      .join();
    let state = this.#states.get(key);
    if (!state) {
      state = new GrammarState(this, stacks);
      this.#states.set(key, state);
    }
    return state;
  }

  /** The bytes that may come first, and whether nothing need come. */
  edges(stack: Stack | null): { readonly edges: readonly Edge[]; readonly ends: boolean } {
    const known = this.#edges.get(stack);
    if (known) return known;
    const found = this.#find(stack!);
    this.#edges.set(stack, found);
    return found;
  }

  #find({ head, rest }: Stack): { edges: readonly Edge[]; ends: boolean } {
    switch (head.kind) {
      case 'byte':
        return { edges: [{ set: head.set, to: rest }], ends: false };
      case 'sequence': {
        let stack = rest;
        for (let i = head.parts.length - 1; i >= 0; i--) stack = this.#push(head.parts[i]!, stack);
        return this.edges(stack);
      }
      case 'choice': {
        const all = head.options.map((option) => this.edges(this.#push(option, rest)));
        return { edges: all.flatMap(({ edges }) => edges), ends: all.some(({ ends }) => ends) };
      }
      case 'lazy':
        return this.edges(this.#push(head.make(), rest));
    }
  }

  #push(head: Rule, rest: Stack | null): Stack {
    const key = `${head.id} ${rest?.id ?? 0}`;
    let stack = this.#stacks.get(key);
    if (!stack) {
      stack = { id: this.#stacks.size + 1, head, rest };
      this.#stacks.set(key, stack);
    }
    return stack;
  }

  #id(): number {
    this.#count += 1;
    return this.#count;
  }
}
