import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { alignmentSpec, evaluationSpec, type JobSpec, trainingSpec } from '../../jobs/job-specs.js';
import { badRequest } from '../errors.js';
import { EventStream } from '../event-stream.js';
import type { Routes } from '../routes.js';
import { JobManager } from './job-manager.js';

const params = z.object({ id: z.string() });

/** Training, alignment and evaluation: start, follow, hold, stop. */
export function jobRoutes({ app, registry, options }: Routes): JobManager {
  const manager = new JobManager();
  const out = (id: string) => {
    if (options.runsRoot === undefined) {
      throw badRequest(
        'kind',
        'This server keeps no runs: start it with a folder for them.',
        'jobs_disabled',
      );
    }
    mkdirSync(options.runsRoot, { recursive: true });
    return join(options.runsRoot, id);
  };
  const folder = (name: string) => {
    const card = registry.card(name);
    if (card.kind !== 'clip') return card.path;
    throw badRequest('model', `The model ${name} does not generate text.`);
  };
  // A finished model can be talked to.
  const onSaved = async (id: string, path: string) => {
    await registry.add(path, id).catch((error: Error) => app.log.error(error));
  };

  app.post(
    '/api/training',
    { schema: { tags: ['App'], summary: 'Starts a training run', body: trainingSpec } },
    async ({ body }) => {
      if (body.kind !== 'pretrain' && !body.model)
        throw badRequest('model', `${body.kind} starts from a model: name it.`);
      const base = body.model && body.kind !== 'pretrain' ? folder(body.model) : undefined;
      return { id: manager.start((id) => ({ job: 'training', spec: body, base, out: out(id) }), onSaved) };
    },
  );
  app.post(
    '/api/alignment',
    {
      schema: {
        tags: ['App'],
        summary: 'Trains a reward model, a policy, or a model on itself',
        body: alignmentSpec,
      },
    },
    async ({ body }) => {
      const base = folder(body.model);
      return { id: manager.start((id) => ({ job: 'alignment', spec: body, base, out: out(id) }), onSaved) };
    },
  );
  app.post(
    '/api/evaluation',
    { schema: { tags: ['App'], summary: 'Runs evaluation tasks', body: evaluationSpec } },
    async ({ body }) => {
      const base = folder(body.model);
      return { id: manager.start(() => ({ job: 'evaluation', spec: body, base, out: '' })) };
    },
  );

  for (const job of ['training', 'alignment', 'evaluation'] as const satisfies JobSpec['job'][]) {
    const tags = ['App'];
    app.get(`/api/${job}`, { schema: { tags, summary: `Jobs of ${job}` } }, async () => manager.list(job));
    app.get(`/api/${job}/:id`, { schema: { tags, summary: 'One job', params } }, async ({ params: { id } }) =>
      manager.get(id, job),
    );
    for (const command of ['pause', 'resume', 'stop'] as const) {
      app.post(
        `/api/${job}/:id/${command}`,
        { schema: { tags, summary: `${command} a job`, params } },
        async ({ params: { id } }) => manager.control(id, job, command),
      );
    }
    app.get(
      `/api/${job}/:id/events`,
      { schema: { tags, summary: 'Server-sent events of a job, from its beginning on', params } },
      async (request, reply) => {
        const { id } = request.params;
        manager.get(id, job);
        const seen = Number(request.headers['last-event-id'] ?? -1);
        const stream = new EventStream(reply);
        let unfollow = () => {};
        const over = (type: string) => type === 'end' || type === 'error';
        let ended = false;
        unfollow = manager.follow(id, job, Number.isInteger(seen) ? seen + 1 : 0, (event, index) => {
          stream.send(event, index);
          if (!over(event.type)) return;
          ended = true;
          unfollow();
          stream.end();
        });
        if (ended) unfollow();
        reply.raw.on('close', unfollow);
        return reply;
      },
    );
  }
  return manager;
}
