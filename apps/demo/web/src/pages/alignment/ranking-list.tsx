import {
  closestCenter,
  DndContext,
  type DragEndEvent,
  KeyboardSensor,
  PointerSensor,
  useSensor,
  useSensors,
} from '@dnd-kit/core';
import {
  arrayMove,
  SortableContext,
  sortableKeyboardCoordinates,
  useSortable,
  verticalListSortingStrategy,
} from '@dnd-kit/sortable';
import { CSS } from '@dnd-kit/utilities';
import { ArrowDown, ArrowUp, GripVertical } from 'lucide-react';

export interface Ranked {
  readonly id: string;
  readonly text: string;
  /** As good as the one above */
  readonly tied: boolean;
}

interface RankingListProps {
  readonly items: readonly Ranked[];
  readonly onChange: (items: readonly Ranked[]) => void;
}

/** Drag to order, with the pointer or with Space and arrows; the buttons do the same. */
export function RankingList({ items, onChange }: RankingListProps) {
  const sensors = useSensors(
    useSensor(PointerSensor, { activationConstraint: { distance: 4 } }),
    useSensor(KeyboardSensor, { coordinateGetter: sortableKeyboardCoordinates }),
  );
  const move = (from: number, to: number) => {
    if (to >= 0 && to < items.length && from !== to) onChange(arrayMove([...items], from, to));
  };
  const onDragEnd = ({ active, over }: DragEndEvent) => {
    if (!over) return;
    const place = (id: unknown) => items.findIndex((item) => item.id === id);
    move(place(active.id), place(over.id));
  };
  return (
    <DndContext sensors={sensors} collisionDetection={closestCenter} onDragEnd={onDragEnd}>
      <SortableContext items={items.map(({ id }) => id)} strategy={verticalListSortingStrategy}>
        <ol className="ranking" aria-label="Answers, best first">
          {items.map((item, at) => (
            <Row
              key={item.id}
              item={item}
              at={at}
              last={at === items.length - 1}
              onMove={move}
              onTie={() =>
                onChange(
                  items.map((other) => (other.id === item.id ? { ...other, tied: !other.tied } : other)),
                )
              }
            />
          ))}
        </ol>
      </SortableContext>
    </DndContext>
  );
}

interface RowProps {
  readonly item: Ranked;
  readonly at: number;
  readonly last: boolean;
  readonly onMove: (from: number, to: number) => void;
  readonly onTie: () => void;
}

function Row({ item, at, last, onMove, onTie }: RowProps) {
  const { attributes, listeners, setNodeRef, setActivatorNodeRef, transform, transition, isDragging } =
    useSortable({ id: item.id });
  return (
    <li
      ref={setNodeRef}
      className="ranking-row"
      data-dragging={isDragging || undefined}
      style={{ transform: CSS.Transform.toString(transform), transition }}
    >
      <button
        type="button"
        ref={setActivatorNodeRef}
        className="button quiet icon compact grip"
        {...attributes}
        {...listeners}
        aria-label={`Drag answer ${at + 1}`}
      >
        <GripVertical size={16} aria-hidden />
      </button>
      <span className="ranking-place number">{at + 1}</span>
      <p>{item.text.trim() === '' ? <em className="soft">nothing</em> : item.text.trim()}</p>
      <span className="row tight ranking-tools">
        {at > 0 && (
          <button type="button" className="button compact" aria-pressed={item.tied} onClick={onTie}>
            = above
          </button>
        )}
        <button
          type="button"
          className="button quiet icon compact"
          aria-label={`Move answer ${at + 1} up`}
          disabled={at === 0}
          onClick={() => onMove(at, at - 1)}
        >
          <ArrowUp size={15} aria-hidden />
        </button>
        <button
          type="button"
          className="button quiet icon compact"
          aria-label={`Move answer ${at + 1} down`}
          disabled={last}
          onClick={() => onMove(at, at + 1)}
        >
          <ArrowDown size={15} aria-hidden />
        </button>
      </span>
    </li>
  );
}
