import type { DecodeSession } from './session.js';

/** A session of its own for each row: for layers whose pattern does not survive padding on the left. */
export class PerRowSession implements DecodeSession {
  readonly #open: () => DecodeSession;
  #sessions: { readonly session: DecodeSession }[] = [];

  constructor(open: () => DecodeSession) {
    this.#open = open;
  }

  get rows(): number {
    return this.#sessions.length;
  }

  length(row: number): number {
    return this.#sessions[row]!.session.length(0);
  }

  async read(tokens: readonly (readonly number[])[], all = false): Promise<Float32Array[][]> {
    if (this.#sessions.length === 0) this.#sessions = tokens.map(() => ({ session: this.#open() }));
    const logits: Float32Array[][] = [];
    for (const [row, { session }] of this.#sessions.entries()) {
      logits.push((await session.read([tokens[row]!], all))[0]!);
    }
    return logits;
  }

  async select(rows: readonly number[]): Promise<void> {
    const old = this.#sessions;
    const used = new Set<number>();
    this.#sessions = await Promise.all(
      rows.map(async (row) => {
        const from = old[row]!;
        if (!used.has(row)) {
          used.add(row);
          return from;
        }
        return { session: await from.session.fork([0]) };
      }),
    );
    old.forEach(({ session }, row) => {
      if (!used.has(row)) session.dispose();
    });
  }

  async fork(rows: readonly number[]): Promise<DecodeSession> {
    const copy = new PerRowSession(this.#open);
    copy.#sessions = await Promise.all(
      rows.map(async (row) => ({ session: await this.#sessions[row]!.session.fork([0]) })),
    );
    return copy;
  }

  rewind(count: number): void {
    for (const { session } of this.#sessions) session.rewind(count);
  }

  dispose(): void {
    for (const { session } of this.#sessions) session.dispose();
    this.#sessions = [];
  }
}
