import { proxy } from 'comlink';
import { useCallback, useEffect, useRef, useState } from 'react';
import type { ChatEvent, ChatImage, ChatRequest } from '../../lib/chat-types.js';
import { serverChat } from '../../lib/server-chat.js';
import { useStored } from '../../lib/stored.js';
import { engine } from '../../worker/engine.js';
import { type Answer, type ChatSettings, emptyAnswer, historyOf, type Turn } from './chat-state.js';

type Change = (answer: Answer) => Answer;

/** The dialogue, and what is being written into it. */
export function useChat(models: readonly string[], settings: ChatSettings) {
  const [stored, store] = useStored<readonly Turn[]>('chat', []);
  const [turns, setTurns] = useState<readonly Turn[]>(stored);
  const [running, setRunning] = useState(0);
  const stops = useRef(new Set<() => void>());
  const latest = useRef(turns);
  latest.current = turns;
  const dialogue = useRef(crypto.randomUUID());

  // Kept when nothing is being written: a storage access per token would be felt.
  useEffect(() => {
    if (running === 0) store(turns.map(({ images: _, ...turn }) => ({ ...turn, images: [] })));
  }, [running, turns, store]);

  const update = useCallback((next: (turns: readonly Turn[]) => readonly Turn[]) => {
    latest.current = next(latest.current);
    setTurns(latest.current);
  }, []);

  const run = useCallback(
    async (id: string, model: string, seedShift: number) => {
      const at = latest.current.findIndex((turn) => turn.id === id);
      const turn = latest.current[at];
      if (!turn) return;
      const attempt = turn.answers[model]?.length ?? 0;
      const history = historyOf(latest.current, at, model, settings);
      const write = (change: Change) =>
        update((all) =>
          all.map((entry) =>
            entry.id === id ? { ...entry, answers: changed(entry.answers, model, attempt, change) } : entry,
          ),
        );
      update((all) =>
        all.map((entry) =>
          entry.id === id ? { ...entry, chosen: { ...entry.chosen, [model]: attempt } } : entry,
        ),
      );
      write(() => emptyAnswer);
      const sampling = { ...settings.sampling, seed: settings.sampling.seed + seedShift };
      const inBrowser = settings.place !== 'server';
      const request: ChatRequest = {
        model,
        ...history,
        sampling,
        ...(settings.memory && inBrowser ? { memory: dialogue.current } : {}),
      };
      setRunning((count) => count + 1);
      const pending = batched(write);
      let stopped = false;
      try {
        const stop = inBrowser
          ? await answerHere(request, settings.place, pending.push, (cancel) => stops.current.add(cancel))
          : await answerThere(request, pending.push, (cancel) => stops.current.add(cancel));
        stopped = stop.stopped;
        pending.flush();
        write((answer) => ({
          ...answer,
          ...(stop.where ? { where: stop.where } : {}),
          status: stopped ? 'stopped' : 'done',
        }));
      } catch (error) {
        pending.flush();
        write((answer) => ({ ...answer, status: 'failed', error: (error as Error).message }));
      } finally {
        setRunning((count) => count - 1);
      }
    },
    [settings, update],
  );

  const send = useCallback(
    (text: string, images: readonly ChatImage[]) => {
      const turn: Turn = { id: crypto.randomUUID(), text, images, answers: {}, chosen: {} };
      update((all) => [...all, turn]);
      for (const model of models) void run(turn.id, model, 0);
    },
    [models, run, update],
  );

  /** Another answer, from the next seed. */
  const regenerate = useCallback(
    (id: string, model: string) => {
      const attempts = latest.current.find((turn) => turn.id === id)?.answers[model]?.length ?? 0;
      void run(id, model, attempts);
    },
    [run],
  );

  /** Asks differently; what came after is dropped. */
  const edit = useCallback(
    (id: string, text: string) => {
      const at = latest.current.findIndex((turn) => turn.id === id);
      update((all) => all.slice(0, at));
      send(text, turns[at]?.images ?? []);
    },
    [send, turns, update],
  );

  const choose = useCallback(
    (id: string, model: string, at: number) =>
      update((all) =>
        all.map((turn) => (turn.id === id ? { ...turn, chosen: { ...turn.chosen, [model]: at } } : turn)),
      ),
    [update],
  );

  const stop = useCallback(() => {
    for (const cancel of stops.current) cancel();
    stops.current.clear();
  }, []);

  const clear = useCallback(() => {
    stop();
    void engine('chat').forget(dialogue.current);
    dialogue.current = crypto.randomUUID();
    update(() => []);
  }, [stop, update]);

  return { turns, running: running > 0, send, regenerate, edit, choose, stop, clear };
}

function changed(answers: Turn['answers'], model: string, attempt: number, change: Change): Turn['answers'] {
  const all = [...(answers[model] ?? [])];
  all[attempt] = change(all[attempt] ?? emptyAnswer);
  return { ...answers, [model]: all };
}

/** Tokens arrive faster than the screen is drawn: what came in one frame is shown at once. */
function batched(write: (change: Change) => void) {
  let events: ChatEvent[] = [];
  let frame = 0;
  const flush = () => {
    cancelAnimationFrame(frame);
    frame = 0;
    if (events.length === 0) return;
    const some = events;
    events = [];
    write((answer) => some.reduce(withEvent, answer));
  };
  const push = (event: ChatEvent) => {
    events.push(event);
    frame ||= requestAnimationFrame(flush);
  };
  return { push, flush };
}

function withEvent(answer: Answer, event: ChatEvent): Answer {
  switch (event.type) {
    case 'progress':
      return { ...answer, loaded: { loaded: event.loaded, total: event.total } };
    case 'token':
      return {
        ...answer,
        status: 'streaming',
        text: answer.text + event.text,
        tokens: event.token ? [...answer.tokens, event.token] : answer.tokens,
      };
    case 'end':
      return {
        ...answer,
        finishReason: event.finishReason,
        promptTokens: event.promptTokens,
        tokensPerSecond: event.tokensPerSecond,
      };
  }
}

interface Ending {
  readonly stopped: boolean;
  readonly where?: string;
}

async function answerThere(
  request: ChatRequest,
  onEvent: (event: ChatEvent) => void,
  onStop: (cancel: () => void) => void,
): Promise<Ending> {
  const controller = new AbortController();
  onStop(() => controller.abort());
  try {
    for await (const event of serverChat(request, controller.signal)) onEvent(event);
  } catch (error) {
    if (!controller.signal.aborted) throw error;
  }
  return { stopped: controller.signal.aborted, where: 'server' };
}

async function answerHere(
  request: ChatRequest,
  place: ChatSettings['place'],
  onEvent: (event: ChatEvent) => void,
  onStop: (cancel: () => void) => void,
): Promise<Ending> {
  const job = crypto.randomUUID();
  let stopped = false;
  onStop(() => {
    stopped = true;
    void engine('chat').control(job, 'stop');
  });
  const backend = place === 'server' ? 'auto' : place;
  const info = await engine('chat').generate(job, request, backend, proxy(onEvent));
  return { stopped, where: info.backend };
}
