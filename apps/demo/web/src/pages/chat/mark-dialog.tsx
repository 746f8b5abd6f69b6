import { Circle, MousePointer2, MoveUpRight, Square, Undo2 } from 'lucide-react';
import { Dialog } from 'radix-ui';
import { type PointerEvent, useState } from 'react';
import { Problem } from '../../components/feedback.js';
import { Segments } from '../../components/segments.js';
import type { ChatImage } from '../../lib/chat-types.js';
import { drawInto, type PlainMark } from '../../lib/marks.js';
import './mark-dialog.css';

type Tool = 'circle' | 'box' | 'arrow' | 'point';
type Place = readonly [x: number, y: number];

const colours = ['red', 'lime', 'blue', 'yellow'] as const;

interface MarkDialogProps {
  readonly image: ChatImage;
  readonly onDone: (url: string) => void;
  readonly onClose: () => void;
}

/** Circles, boxes, arrows and points on an image; they become part of its pixels. */
export default function MarkDialog({ image, onDone, onClose }: MarkDialogProps) {
  const [size, setSize] = useState<{ width: number; height: number }>();
  const [tool, setTool] = useState<Tool>('circle');
  const [colour, setColour] = useState<string>(colours[0]);
  const [marks, setMarks] = useState<readonly PlainMark[]>([]);
  const [from, setFrom] = useState<Place>();
  const [to, setTo] = useState<Place>();
  const [error, setError] = useState<unknown>();

  const place = (event: PointerEvent<SVGSVGElement>): Place => {
    const box = event.currentTarget.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * size!.width;
    const y = ((event.clientY - box.top) / box.height) * size!.height;
    return [Math.round(x), Math.round(y)];
  };
  const drawing = from && to ? markOf(tool, from, to, colour) : undefined;
  const points = marks.filter(({ kind }) => kind === 'point').length;

  const apply = async () => {
    try {
      onDone(marks.length === 0 ? image.url : await drawInto(image.url, marks));
    } catch (problem) {
      setError(problem);
    }
  };

  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Overlay className="overlay" />
        <Dialog.Content className="dialog stack">
          <Dialog.Title>Mark the image</Dialog.Title>
          <Dialog.Description className="soft small">
            Draw around what you ask about: “What is inside the red circle?”
          </Dialog.Description>
          <div className="row">
            <Segments
              label="Tool"
              value={tool}
              onChange={setTool}
              options={[
                { value: 'circle', label: 'Circle', icon: <Circle size={14} aria-hidden /> },
                { value: 'box', label: 'Box', icon: <Square size={14} aria-hidden /> },
                { value: 'arrow', label: 'Arrow', icon: <MoveUpRight size={14} aria-hidden /> },
                { value: 'point', label: 'Point', icon: <MousePointer2 size={14} aria-hidden /> },
              ]}
            />
            <fieldset className="row tight">
              <legend className="visually-hidden">Colour</legend>
              {colours.map((name) => (
                <button
                  key={name}
                  type="button"
                  className="swatch"
                  style={{ background: name }}
                  aria-label={name}
                  aria-pressed={colour === name}
                  onClick={() => setColour(name)}
                />
              ))}
            </fieldset>
            <button
              type="button"
              className="button quiet compact"
              disabled={marks.length === 0}
              onClick={() => setMarks(marks.slice(0, -1))}
            >
              <Undo2 size={15} aria-hidden />
              Undo
            </button>
          </div>
          <div className="mark-canvas">
            <img
              src={image.url}
              alt={image.name}
              onLoad={(event) =>
                setSize({
                  width: event.currentTarget.naturalWidth,
                  height: event.currentTarget.naturalHeight,
                })
              }
            />
            {size && (
              <svg
                viewBox={`0 0 ${size.width} ${size.height}`}
                role="application"
                aria-label="Drag to draw a mark"
                onPointerDown={(event) => {
                  event.currentTarget.setPointerCapture(event.pointerId);
                  setFrom(place(event));
                  setTo(place(event));
                }}
                onPointerMove={(event) => from && setTo(place(event))}
                onPointerUp={() => {
                  if (drawing) setMarks([...marks, drawing]);
                  setFrom(undefined);
                  setTo(undefined);
                }}
              >
                {[...marks, ...(drawing ? [drawing] : [])].map((mark, at) => (
                  // biome-ignore lint/suspicious/noArrayIndexKey: marks are only added at the end
                  <MarkShape key={at} mark={mark} unit={Math.max(size.width, size.height) / 150} />
                ))}
              </svg>
            )}
          </div>
          {error !== undefined && <Problem error={error} />}
          <div className="row between">
            <span className="small soft">
              {marks.length} {marks.length === 1 ? 'mark' : 'marks'}
              {points > 0 && `, ${points} numbered`}
            </span>
            <span className="row tight">
              <button type="button" className="button" onClick={onClose}>
                Cancel
              </button>
              <button type="button" className="button primary" onClick={() => void apply()}>
                Draw into the image
              </button>
            </span>
          </div>
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

function markOf(tool: Tool, from: Place, to: Place, color: string): PlainMark | undefined {
  const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const distance = Math.hypot(dx, dy);
  if (tool === 'point') return { kind: 'point', at: to, color };
  if (distance < 2) return undefined;
  if (tool === 'circle') return { kind: 'circle', center: from, radius: distance, color };
  if (tool === 'arrow') return { kind: 'arrow', from, to, color };
  return {
    kind: 'box',
    x: Math.min(from[0], to[0]),
    y: Math.min(from[1], to[1]),
    width: Math.max(1, Math.abs(dx)),
    height: Math.max(1, Math.abs(dy)),
    color,
  };
}

function MarkShape({ mark, unit }: { mark: PlainMark; unit: number }) {
  const line = { fill: 'none', stroke: mark.color, strokeWidth: Math.max(2, unit) };
  switch (mark.kind) {
    case 'circle':
      return <circle cx={mark.center[0]} cy={mark.center[1]} r={mark.radius} {...line} />;
    case 'box':
      return <rect x={mark.x} y={mark.y} width={mark.width} height={mark.height} {...line} />;
    case 'arrow': {
      const angle = Math.atan2(mark.to[1] - mark.from[1], mark.to[0] - mark.from[0]);
      const wing = (turn: number) =>
        `${mark.to[0] - 8 * unit * Math.cos(angle + turn)} ${mark.to[1] - 8 * unit * Math.sin(angle + turn)}`;
      return (
        <path
          d={`M${mark.from.join(' ')}L${mark.to.join(' ')}M${wing(0.5)}L${mark.to.join(' ')}L${wing(-0.5)}`}
          {...line}
        />
      );
    }
    case 'point':
      return <circle cx={mark.at[0]} cy={mark.at[1]} r={3 * unit} fill={mark.color} />;
  }
}
