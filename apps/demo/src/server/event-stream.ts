import type { FastifyReply } from 'fastify';

/** Bytes that may wait for a client that does not read: more, and it is cut off. */
const mostUnread = 8 * 1024 * 1024;
const keepAliveMs = 15_000;

/** An answer in server-sent events. From here on errors are events too. */
export class EventStream {
  readonly #reply: FastifyReply;
  readonly #keepAlive: NodeJS.Timeout;

  constructor(reply: FastifyReply) {
    this.#reply = reply;
    reply.hijack();
    reply.raw.writeHead(200, {
      ...(reply.getHeaders() as Record<string, string>),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    reply.raw.flushHeaders();
    this.#keepAlive = setInterval(() => this.#write(': still here\n\n'), keepAliveMs);
    reply.raw.on('close', () => clearInterval(this.#keepAlive));
    reply.raw.on('error', () => clearInterval(this.#keepAlive));
  }

  /** @param id what a client that comes back says it has seen */
  send(data: object, id?: number): void {
    const mark = id === undefined ? '' : `id: ${id}\n`;
    this.#write(`${mark}data: ${JSON.stringify(data)}\n\n`);
  }

  /** Ends as OpenAI's streams do. */
  done(): void {
    this.#write('data: [DONE]\n\n');
    this.end();
  }

  end(): void {
    clearInterval(this.#keepAlive);
    this.#reply.raw.end();
  }

  #write(text: string): void {
    const { raw } = this.#reply;
    if (raw.destroyed || raw.writableEnded) return;
    if (raw.writableLength > mostUnread) raw.destroy();
    else raw.write(text);
  }
}

/** Calls back when the client goes away before the answer is complete. */
export function onDisconnect(reply: FastifyReply, left: () => void): void {
  reply.raw.on('close', () => {
    if (!reply.raw.writableFinished) left();
  });
  if (reply.raw.destroyed) left();
}
