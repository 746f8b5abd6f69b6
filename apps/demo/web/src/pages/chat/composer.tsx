import { ImagePlus, Send, Square, X } from 'lucide-react';
import { type ClipboardEvent, type DragEvent, lazy, Suspense, useRef, useState } from 'react';
import type { ChatImage } from '../../lib/chat-types.js';

const MarkDialog = lazy(() => import('./mark-dialog.js'));

interface ComposerProps {
  readonly running: boolean;
  readonly disabled: boolean;
  readonly mode: 'chat' | 'completion';
  readonly onSend: (text: string, images: readonly ChatImage[]) => void;
  readonly onStop: () => void;
}

export function Composer({ running, disabled, mode, onSend, onStop }: ComposerProps) {
  const [text, setText] = useState('');
  const [images, setImages] = useState<readonly ChatImage[]>([]);
  const [dragged, setDragged] = useState(false);
  const [marking, setMarking] = useState<number>();
  const field = useRef<HTMLTextAreaElement>(null);

  const add = (files: Iterable<File>) => {
    for (const file of files) {
      if (!file.type.startsWith('image/')) continue;
      const reader = new FileReader();
      reader.onload = () =>
        setImages((all) => [...all, { url: String(reader.result), name: file.name || 'pasted image' }]);
      reader.readAsDataURL(file);
    }
  };

  const send = () => {
    if (running || disabled || (text.trim() === '' && images.length === 0)) return;
    onSend(mode === 'chat' ? text.trim() : text, images);
    setText('');
    setImages([]);
  };

  return (
    <form
      className="composer"
      data-dragged={dragged || undefined}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
      onDragOver={(event: DragEvent) => {
        event.preventDefault();
        setDragged(true);
      }}
      onDragLeave={() => setDragged(false)}
      onDrop={(event: DragEvent) => {
        event.preventDefault();
        setDragged(false);
        add(event.dataTransfer.files);
      }}
    >
      {images.length > 0 && (
        <ul className="row tight">
          {images.map((image, at) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the same picture may be there twice
            <li key={at} className="thumbnail">
              <button type="button" onClick={() => setMarking(at)} aria-label={`Draw marks on ${image.name}`}>
                <img src={image.url} alt={image.name} />
              </button>
              <button
                type="button"
                className="remove"
                aria-label={`Remove ${image.name}`}
                onClick={() => setImages(images.filter((_, other) => other !== at))}
              >
                <X size={12} aria-hidden />
              </button>
            </li>
          ))}
        </ul>
      )}
      <textarea
        ref={field}
        className="composer-field"
        aria-label={mode === 'chat' ? 'Message' : 'Text to continue'}
        placeholder={mode === 'chat' ? 'Say something, or drop an image' : 'Begin a text'}
        rows={2}
        value={text}
        onChange={(event) => setText(event.target.value)}
        onPaste={(event: ClipboardEvent) => add(event.clipboardData.files)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing) {
            event.preventDefault();
            send();
          }
        }}
      />
      <div className="row between">
        <label className="button quiet compact file-button">
          <ImagePlus size={17} aria-hidden />
          Image
          <input
            type="file"
            accept="image/*"
            multiple
            className="visually-hidden"
            onChange={(event) => {
              add(event.target.files ?? []);
              event.target.value = '';
            }}
          />
        </label>
        <span className="small soft composer-hint">Enter sends, Shift + Enter breaks the line</span>
        {running ? (
          <button type="button" className="button" onClick={onStop}>
            <Square size={14} aria-hidden />
            Stop
          </button>
        ) : (
          <button
            type="submit"
            className="button primary"
            disabled={disabled || (text.trim() === '' && images.length === 0)}
          >
            <Send size={15} aria-hidden />
            Send
          </button>
        )}
      </div>
      {marking !== undefined && images[marking] && (
        <Suspense>
          <MarkDialog
            image={images[marking]}
            onClose={() => setMarking(undefined)}
            onDone={(url) => {
              setImages(images.map((image, at) => (at === marking ? { ...image, url } : image)));
              setMarking(undefined);
            }}
          />
        </Suspense>
      )}
    </form>
  );
}
