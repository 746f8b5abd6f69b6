// Writes versions until it is killed, or until the disk is full: then what stands there must be the last one
// acknowledged.
import { GptLineageError } from '@gpt-lineage/tokenizer-bpe';
import { writers } from './writers.mjs';

const [name, path, from, mode] = process.argv.slice(2);
const writer = await writers[name]();
const { write } = await writer.open(path);
const say = (line) => new Promise((done) => process.stdout.write(`${line}\n`, done));

for (let version = Number(from); ; version++) {
  await say(`begin ${version}`);
  try {
    await write(version);
  } catch (error) {
    const typed = GptLineageError.isInstance(error);
    const found = version === 0 ? -1 : await writer.read(path).catch((reason) => `${reason.message}`);
    await say(
      `failed ${JSON.stringify({ typed, message: error.message, code: error.code, version, found })}`,
    );
    process.exit(mode === 'fill' ? 0 : 1);
  }
  await say(`done ${version}`);
  if (mode === 'fill') await import('./ballast.mjs').then(({ grow }) => grow(path));
}
