import {
  Braces,
  ChartNoAxesCombined,
  Grid3x3,
  Image,
  type LucideIcon,
  MessagesSquare,
  Scale,
  SquareActivity,
} from 'lucide-react';
import { type ComponentType, type LazyExoticComponent, lazy } from 'react';

export interface PageEntry {
  readonly path: string;
  readonly title: string;
  readonly Icon: LucideIcon;
  readonly Page: LazyExoticComponent<ComponentType>;
}

/** Every page of the app; each is a chunk of its own. */
export const pages: readonly PageEntry[] = [
  { path: '/', title: 'Chat', Icon: MessagesSquare, Page: lazy(() => import('./chat/chat-page.js')) },
  {
    path: '/tokenizer',
    title: 'Tokenizer',
    Icon: Braces,
    Page: lazy(() => import('./tokenizer/tokenizer-page.js')),
  },
  {
    path: '/attention',
    title: 'Attention',
    Icon: Grid3x3,
    Page: lazy(() => import('./attention/attention-page.js')),
  },
  {
    path: '/training',
    title: 'Training',
    Icon: SquareActivity,
    Page: lazy(() => import('./training/training-page.js')),
  },
  {
    path: '/alignment',
    title: 'Alignment',
    Icon: Scale,
    Page: lazy(() => import('./alignment/alignment-page.js')),
  },
  { path: '/vision', title: 'Vision', Icon: Image, Page: lazy(() => import('./vision/vision-page.js')) },
  {
    path: '/evaluation',
    title: 'Evaluation',
    Icon: ChartNoAxesCombined,
    Page: lazy(() => import('./evaluation/evaluation-page.js')),
  },
];
