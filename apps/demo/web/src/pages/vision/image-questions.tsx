import { lazy, Suspense, useState } from 'react';
import { Card } from '../../components/card.js';
import { Loading, Note, Problem } from '../../components/feedback.js';
import { Select, TextField } from '../../components/fields.js';
import type { ChatImage } from '../../lib/chat-types.js';
import type { ModelInfo } from '../../lib/models.js';
import { serverChat } from '../../lib/server-chat.js';
import { cutOut, loadGallery } from './gallery.js';

const MarkDialog = lazy(() => import('../chat/mark-dialog.js'));

/** Asks a multimodal model about a picture, marks and all. */
export function ImageQuestions({ models }: { models: readonly ModelInfo[] }) {
  const [model, setModel] = useState('');
  const [image, setImage] = useState<ChatImage>();
  const [question, setQuestion] = useState('What is inside the red circle?');
  const [answer, setAnswer] = useState<string>();
  const [marking, setMarking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>();
  const id = models.some((entry) => entry.id === model) ? model : (models[0]?.id ?? '');

  const ask = async () => {
    setError(undefined);
    setBusy(true);
    setAnswer('');
    try {
      const events = serverChat(
        {
          model: id,
          messages: [{ role: 'user', content: question, images: image ? [image] : [] }],
          sampling: {
            temperature: 0,
            topK: 0,
            topP: 1,
            minP: 0,
            repetitionPenalty: 1,
            frequencyPenalty: 0,
            presencePenalty: 0,
            maxTokens: 40,
            seed: 1,
            stop: [],
          },
        },
        new AbortController().signal,
      );
      for await (const event of events)
        if (event.type === 'token') setAnswer((before = '') => before + event.text);
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };

  const scene = async () => setImage({ url: await drawScene(), name: 'four emoji' });

  if (models.length === 0) return <Note>There is no multimodal checkpoint on this server yet.</Note>;
  return (
    <div className="pair">
      <Card title="Picture">
        <div className="stack tight">
          <div className="question-image">
            {image ? <img src={image.url} alt={image.name} /> : <p className="soft">No picture yet.</p>}
          </div>
          <div className="row tight">
            <button type="button" className="button" onClick={() => void scene()}>
              A scene of emoji
            </button>
            <input
              type="file"
              accept="image/*"
              aria-label="A picture of your own"
              onChange={(event) => {
                const file = event.target.files?.[0];
                if (!file) return;
                const reader = new FileReader();
                reader.onload = () => setImage({ url: String(reader.result), name: file.name });
                reader.readAsDataURL(file);
              }}
            />
            <button type="button" className="button" disabled={!image} onClick={() => setMarking(true)}>
              Draw marks
            </button>
          </div>
        </div>
        {marking && image && (
          <Suspense>
            <MarkDialog
              image={image}
              onClose={() => setMarking(false)}
              onDone={(url) => {
                setImage({ ...image, url });
                setMarking(false);
              }}
            />
          </Suspense>
        )}
      </Card>
      <Card title="Question">
        <form
          className="stack tight"
          onSubmit={(event) => {
            event.preventDefault();
            void ask();
          }}
        >
          <Select
            label="Model"
            value={id}
            onChange={setModel}
            options={models.map((entry) => ({ value: entry.id, label: entry.title }))}
          />
          <TextField label="Question" value={question} onChange={setQuestion} />
          <div>
            <button type="submit" className="button primary" disabled={busy || question.trim() === ''}>
              Ask
            </button>
          </div>
          {busy && <Loading>Looking</Loading>}
          {answer !== undefined && (
            <p className="image-answer" role="status">
              {answer}
            </p>
          )}
          {error !== undefined && <Problem error={error} />}
        </form>
      </Card>
    </div>
  );
}

/** Four pictures of the gallery on white, something to ask about. */
async function drawScene(): Promise<string> {
  const gallery = await loadGallery();
  const canvas = document.createElement('canvas');
  canvas.width = 192;
  canvas.height = 192;
  const context = canvas.getContext('2d')!;
  context.fillStyle = '#fff';
  context.fillRect(0, 0, 192, 192);
  const places = [
    [16, 16],
    [112, 24],
    [24, 112],
    [116, 110],
  ] as const;
  for (const [x, y] of places) {
    const at = Math.floor(Math.random() * gallery.items.length);
    const picture = await createImageBitmap(await cutOut(gallery, at));
    context.drawImage(picture, x, y, 64, 64);
  }
  return canvas.toDataURL('image/png');
}
