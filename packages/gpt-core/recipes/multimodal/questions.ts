import { drawMarks, type Mark, type Random, type RawImage } from '@gpt-lineage/vision-clip';
import type { Pictures } from './pictures.js';
import {
  colorNames,
  moved,
  numbers,
  objectSides,
  phrase,
  places,
  randomBackground,
  randomScene,
  render,
  type Scene,
  type SceneObject,
  type Split,
  shapes,
} from './scene.js';

/** How images and text come in. */
export type Mode = 'text' | 'describe' | 'image' | 'marks' | 'compare' | 'interleaved' | 'few-shot';

/** One turn: what is asked (images in their place) and what the answer is. */
export interface Turn {
  readonly task: string;
  readonly question: readonly (string | RawImage)[];
  readonly answer: string;
  /** Answers that this kind of question can have. */
  readonly answers: readonly string[];
  /** Answers that the picture alone leaves open, as share of a guess among them; for marks. */
  readonly guess?: number;
}

export interface Sample {
  readonly mode: Mode;
  readonly turns: readonly Turn[];
}

interface Asked {
  readonly task: string;
  readonly text: string;
  readonly answer: string;
  readonly answers: readonly string[];
  readonly guess?: number;
}

type Ask = (scene: Scene, random: Random, pictures: Pictures) => Asked | undefined;

const plural = (name: string) => (name === 'cross' ? 'crosses' : `${name}s`);
const yesNo = ['yes', 'no'];
const pick = <T>(random: Random, list: readonly T[]): T => list[random.integer(list.length)]!;

/** Every phrase that an object can have. */
export function phrases(pictures: Pictures): string[] {
  const named = [...shapes, ...numbers].flatMap((name) => colorNames.map((color) => `${color} ${name}`));
  return [...named, ...pictures.emoji.keys()];
}

export function describeScene({ objects }: Scene): string {
  return objects.map((object) => `${phrase(object)} ${places[object.cell]}`).join(', ');
}

const describe: Ask = (scene) => ({
  task: 'describe',
  text: 'describe the image.',
  answer: describeScene(scene),
  answers: [],
});

const color: Ask = ({ objects }, random) => {
  const single = objects.filter(
    ({ name, color }) => color && objects.filter((o) => o.name === name).length === 1,
  );
  if (single.length === 0) return undefined;
  const object = pick(random, single);
  return {
    task: 'color',
    text: `what color is the ${object.name}?`,
    answer: object.color!,
    answers: colorNames,
  };
};

const count: Ask = ({ objects }, random) => {
  const kind = random.uniform();
  const answers = numbers.slice(0, 6);
  if (kind < 0.34) {
    return { task: 'count', text: 'how many objects are there?', answer: numbers[objects.length]!, answers };
  }
  const coloured = objects.filter(({ color }) => color);
  if (kind < 0.67) {
    const asked =
      coloured.length > 0 && random.uniform() < 0.8
        ? pick(random, coloured).color!
        : pick(random, colorNames);
    const number = objects.filter((object) => object.color === asked).length;
    return { task: 'count', text: `how many ${asked} objects are there?`, answer: numbers[number]!, answers };
  }
  const shaped = objects.filter((object) => object.kind === 'shape');
  const asked =
    shaped.length > 0 && random.uniform() < 0.8 ? pick(random, shaped).name : pick(random, shapes);
  const number = objects.filter(({ name }) => name === asked).length;
  return { task: 'count', text: `how many ${plural(asked)} are there?`, answer: numbers[number]!, answers };
};

const position: Ask = ({ objects }, random) => {
  const object = pick(random, objects);
  return {
    task: 'position',
    text: `where is the ${phrase(object)}?`,
    answer: places[object.cell]!,
    answers: places,
  };
};

const nameAt: Ask = ({ objects }, random, pictures) => {
  const object = pick(random, objects);
  const text = `what is at ${places[object.cell]}?`;
  return { task: 'name', text, answer: phrase(object), answers: phrases(pictures) };
};

const exists: Ask = ({ objects }, random, pictures) => {
  const there = random.uniform() < 0.5;
  const absent = phrases(pictures).filter((text) => objects.every((object) => phrase(object) !== text));
  // Half of what is not there differs from something that is in its colour only.
  const coloured = objects.filter(({ color }) => color);
  const near =
    coloured.length > 0 && random.uniform() < 0.5
      ? absent.filter((text) => text.endsWith(` ${pick(random, coloured).name}`))
      : [];
  const asked = there ? phrase(pick(random, objects)) : pick(random, near.length > 0 ? near : absent);
  return { task: 'exists', text: `is there a ${asked}?`, answer: there ? 'yes' : 'no', answers: yesNo };
};

const relation: Ask = ({ objects }, random) => {
  const pairs = objects.flatMap((a) => objects.map((b) => [a, b] as const)).filter(([a, b]) => a !== b);
  const sideways = pairs.filter(([a, b]) => a.cell % 3 !== b.cell % 3);
  const upright = pairs.filter(([a, b]) => Math.floor(a.cell / 3) !== Math.floor(b.cell / 3));
  const useColumns = upright.length === 0 || (sideways.length > 0 && random.uniform() < 0.5);
  const list = useColumns ? sideways : upright;
  if (list.length === 0) return undefined;
  const [a, b] = pick(random, list);
  const before = useColumns ? a.cell % 3 < b.cell % 3 : a.cell < b.cell;
  const says = random.uniform() < 0.5;
  const word = useColumns ? (says ? 'left of' : 'right of') : says ? 'above' : 'below';
  return {
    task: 'relation',
    text: `is the ${phrase(a)} ${word} the ${phrase(b)}?`,
    answer: before === says ? 'yes' : 'no',
    answers: yesNo,
  };
};

const digit: Ask = ({ objects }) => {
  const found = objects.filter(({ kind }) => kind === 'digit');
  if (found.length !== 1) return undefined;
  return { task: 'digit', text: 'which digit is there?', answer: found[0]!.name, answers: numbers };
};

const emoji: Ask = ({ objects }, _, pictures) => {
  const found = objects.filter(({ kind }) => kind === 'emoji');
  if (found.length !== 1) return undefined;
  const answers = [...pictures.emoji.keys()];
  return { task: 'emoji', text: 'which emoji is there?', answer: found[0]!.name, answers };
};

export const imageTasks = { color, count, position, name: nameAt, exists, relation, digit, emoji } as const;
/** How often training asks each kind of question: what takes long to learn more often. */
const trainingShares: Readonly<Record<keyof typeof imageTasks, number>> = {
  color: 1,
  count: 1,
  position: 1,
  name: 1,
  exists: 2,
  relation: 3,
  digit: 1,
  emoji: 1,
};
const trainingKinds = Object.entries(trainingShares).flatMap(([task, share]) =>
  new Array<Ask>(share).fill(imageTasks[task as keyof typeof imageTasks]),
);
export const markTasks = ['circle', 'box', 'arrow'] as const;
export const compareTasks = ['missing', 'more', 'which', 'changed'] as const;
const markColors = ['red', 'green', 'blue'];

/** A mark on one object of the scene, and questions about what it marks. */
function markOn(
  object: SceneObject,
  kind: (typeof markTasks)[number],
  markColor: string,
  random: Random,
): Mark {
  const { x, y, size } = object;
  const color = { red: '#ff0000', green: '#00c000', blue: '#0000ff' }[markColor]!;
  const reach = size / 2 + 2;
  if (kind === 'circle') return { kind, center: [x, y], radius: reach + 1, color, lineWidth: 2 };
  if (kind === 'box') {
    return { kind, x: x - reach, y: y - reach, width: 2 * reach, height: 2 * reach, color, lineWidth: 2 };
  }
  // From the side where there is more room, with the head at the object.
  const angle = Math.atan2(24 - y, 24 - x) + random.uniform(-0.6, 0.6);
  const from = [x + Math.cos(angle) * 17, y + Math.sin(angle) * 17] as const;
  return { kind, from, to: [x + Math.cos(angle) * 5, y + Math.sin(angle) * 5], color, lineWidth: 2 };
}

async function markedTurns(
  random: Random,
  pictures: Pictures,
  split: Split,
  task: (typeof markTasks)[number],
): Promise<{ image: RawImage; asked: Asked[]; scene: Scene }> {
  const scene = randomScene(random, pictures, split, 2 + random.integer(4));
  const plain = render(scene, pictures, split, random);
  const objects = random.shuffle([...scene.objects]);
  const used = random.shuffle([...markColors]).slice(0, 1 + random.integer(2));
  const marks = used.map((markColor, at) => markOn(objects[at]!, task, markColor, random));
  const { image } = await drawMarks(plain, marks);
  const asked = used.flatMap((markColor, at): Asked[] => {
    const object = objects[at]!;
    const where = task === 'arrow' ? `the ${markColor} arrow point at` : `inside the ${markColor} ${task}`;
    const text = task === 'arrow' ? `what does ${where}?` : `what is ${where}?`;
    const answers = phrases(pictures);
    return [{ task, text, answer: phrase(object), answers, guess: 1 / scene.objects.length }];
  });
  return { image, asked, scene };
}

/** What one image shows and the other does not. */
function comparison(
  random: Random,
  pictures: Pictures,
  split: Split,
  task: (typeof compareTasks)[number],
): { images: [Scene, Scene]; asked: Asked } {
  const first = randomScene(random, pictures, split, 2 + random.integer(3));
  if (task === 'missing') {
    const gone = pick(random, first.objects);
    const kept = first.objects.filter((object) => object !== gone);
    const second = { ...randomBackground(random), objects: kept };
    const text = 'what is missing in the second image?';
    return {
      images: [first, second],
      asked: { task, text, answer: phrase(gone), answers: phrases(pictures) },
    };
  }
  if (task === 'changed') {
    const shaped = first.objects.filter(({ kind }) => kind === 'shape');
    if (shaped.length === 0) return comparison(random, pictures, split, task);
    const old = pick(random, shaped);
    const color = pick(random, colorNames);
    const fresh = { ...old, color };
    if (first.objects.some((object) => phrase(object) === phrase(fresh)))
      return comparison(random, pictures, split, task);
    const objects = first.objects.map((object) => (object === old ? fresh : object));
    const text = `what color is the ${phrase(old)} of the first image in the second image?`;
    const second = { ...randomBackground(random), objects };
    return { images: [first, second], asked: { task, text, answer: color, answers: colorNames } };
  }
  const other = randomScene(random, pictures, split, 1 + random.integer(5));
  const answers = ['first', 'second'];
  if (task === 'more') {
    if (other.objects.length === first.objects.length) return comparison(random, pictures, split, task);
    const answer = first.objects.length > other.objects.length ? 'first' : 'second';
    return {
      images: [first, other],
      asked: { task, text: 'which image has more objects?', answer, answers },
    };
  }
  const inFirst = random.uniform() < 0.5;
  const [has, lacks] = inFirst ? [first, other] : [other, first];
  const own = has.objects.filter((object) => lacks.objects.every((o) => phrase(o) !== phrase(object)));
  if (own.length === 0) return comparison(random, pictures, split, task);
  const text = `which image has a ${phrase(pick(random, own))}?`;
  return { images: [first, other], asked: { task, text, answer: inFirst ? 'first' : 'second', answers } };
}

const nonce = ['dax', 'wug', 'blick', 'fep', 'toma', 'zup', 'kiki', 'modi', 'gorp', 'lirp'];

/** Two solved examples with made-up names, then a third image that shows one of the two. */
function fewShot(random: Random, pictures: Pictures, split: Split): Turn[] {
  const { objects } = randomScene(random, pictures, split, 2);
  const [a, b] = random.shuffle([...objects]) as [SceneObject, SceneObject];
  const names = random.shuffle([...nonce]).slice(0, 2) as [string, string];
  const show = (object: SceneObject): RawImage =>
    render({ ...randomBackground(random), objects: [moved(object, random)] }, pictures, split, random);
  const answer = random.integer(2);
  return [a, b, answer === 0 ? a : b].map((object, at) => ({
    task: 'few-shot',
    question: [show(object), 'what is this?'],
    answer: at < 2 ? names[at]! : names[answer]!,
    answers: names,
  }));
}

/** Questions that need no image. */
function textTurn(random: Random, pictures: Pictures): Turn {
  const kind = random.integer(3);
  if (kind === 0) {
    const [a, b] = [random.integer(5), random.integer(5)];
    return turn({
      task: 'sum',
      text: `what is ${numbers[a]} plus ${numbers[b]}?`,
      answer: numbers[a + b]!,
      answers: numbers,
    });
  }
  const all = phrases(pictures).filter((text) => text.includes(' '));
  const [a, b] = random.shuffle(all).slice(0, 2) as [string, string];
  if (kind === 1) {
    const asked = pick(random, [a, b]);
    const [color, name] = asked.split(' ') as [string, string];
    if (a.split(' ')[1] === b.split(' ')[1]) return textTurn(random, pictures);
    const text = `there is a ${a} and a ${b}. what color is the ${name}?`;
    return turn({ task: 'recall', text, answer: color, answers: colorNames });
  }
  const [word, opposite] = pick(random, [
    ['left of', 'right of'],
    ['above', 'below'],
    ['right of', 'left of'],
    ['below', 'above'],
  ] as const);
  const straight = random.uniform() < 0.5;
  const text = `the ${a} is ${word} the ${b}. what is ${straight ? word : opposite} the ${straight ? b : a}?`;
  return turn({ task: 'reason', text, answer: straight ? a : b, answers: [a, b] });
}

function turn({ text, ...asked }: Asked, before: readonly (string | RawImage)[] = []): Turn {
  return { ...asked, question: [...before, text] };
}

/** A sample of one mode. @param task one kind of question, where the mode has several; default: any of them */
export async function sample(
  mode: Mode,
  random: Random,
  pictures: Pictures,
  split: Split,
  options: { readonly task?: string; readonly turns?: number } = {},
): Promise<Sample> {
  const { turns: most = 1 } = options;
  switch (mode) {
    case 'text':
      return { mode, turns: Array.from({ length: most }, () => textTurn(random, pictures)) };
    case 'describe': {
      const scene = randomScene(random, pictures, split);
      const image = render(scene, pictures, split, random);
      const asked = [
        describe(scene, random, pictures)!,
        count(scene, random, pictures)!,
        position(scene, random, pictures)!,
      ];
      return { mode, turns: asked.map((one, at) => turn(one, at === 0 ? [image] : [])) };
    }
    case 'image': {
      const scene = randomScene(random, pictures, split);
      const image = render(scene, pictures, split, random);
      const kinds = options.task ? [imageTasks[options.task as keyof typeof imageTasks]] : trainingKinds;
      const asked: Asked[] = [];
      const questions = most > 1 ? most - 2 : 1;
      for (let tries = 0; asked.length < questions && tries < 20; tries++) {
        const next = pick(random, kinds)(scene, random, pictures);
        if (next && asked.every(({ text }) => text !== next.text)) asked.push(next);
      }
      if (asked.length === 0) return sample(mode, random, pictures, split, options);
      // Last, so that it does not give the other answers away.
      if (most > 1) asked.push(describe(scene, random, pictures)!);
      return { mode, turns: asked.map((one, at) => turn(one, at === 0 ? [image] : [])) };
    }
    case 'marks': {
      const task = (options.task as (typeof markTasks)[number]) ?? pick(random, markTasks);
      const { image, asked, scene } = await markedTurns(random, pictures, split, task);
      const turns = asked.slice(0, most);
      if (most > 1) turns.push(describe(scene, random, pictures)!);
      return { mode, turns: turns.map((one, at) => turn(one, at === 0 ? [image] : [])) };
    }
    case 'compare': {
      const task = (options.task as (typeof compareTasks)[number]) ?? pick(random, compareTasks);
      const { images, asked } = comparison(random, pictures, split, task);
      const [first, second] = images.map((scene) => render(scene, pictures, split, random)) as [
        RawImage,
        RawImage,
      ];
      const turns = [turn(asked, [first, second])];
      if (most > 1) {
        for (const [at, name] of (['first', 'second'] as const).entries()) {
          if (images[at]!.objects.length === 0) continue;
          const about = position(images[at]!, random, pictures)!;
          turns.push(turn({ ...about, text: about.text.replace('?', ` in the ${name} image?`) }));
        }
      }
      return { mode, turns: turns.slice(0, Math.max(1, most)) };
    }
    case 'interleaved': {
      // An image and a question, another image and a question, then back to one of the two.
      const scenes = [0, 1].map(() => randomScene(random, pictures, split, 1 + random.integer(4)));
      const shown = scenes.map((scene) => render(scene, pictures, split, random));
      const kinds = [color, count, position, nameAt];
      const ask = (scene: Scene): Asked => {
        for (;;) {
          const next = pick(random, kinds)(scene, random, pictures);
          if (next) return { ...next, task: `interleaved ${next.task}` };
        }
      };
      const turns = scenes.map((scene, at) => turn(ask(scene), [shown[at]!]));
      const back = random.integer(2);
      const asked = position(scenes[back]!, random, pictures)!;
      const text = `in the ${back === 0 ? 'first' : 'second'} image, ${asked.text}`;
      return { mode, turns: [...turns, turn({ ...asked, task: 'interleaved back', text })] };
    }
    case 'few-shot':
      return { mode, turns: fewShot(random, pictures, split) };
  }
}

export { objectSides };
