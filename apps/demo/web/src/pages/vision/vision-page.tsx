import { useState } from 'react';
import { Note, Problem } from '../../components/feedback.js';
import { PageHead } from '../../components/page-head.js';
import { Segments } from '../../components/segments.js';
import { useModels } from '../../lib/models.js';
import { GallerySearch } from './gallery-search.js';
import { ImageQuestions } from './image-questions.js';
import { SimilarityMatrix } from './similarity-matrix.js';
import './vision.css';
import { ZeroShot } from './zero-shot.js';

type Part = 'search' | 'zero-shot' | 'matrix' | 'questions';

export default function VisionPage() {
  const { models, loading, error } = useModels();
  const [part, setPart] = useState<Part>('search');
  const clip = models.find(({ kind }) => kind === 'clip');
  const multimodal = models.filter(({ kind }) => kind === 'multimodal');
  return (
    <div className="page">
      <PageHead title="Vision" actions={clip && <span className="chip">{clip.title}, in this browser</span>}>
        Pictures and words in one space: search by description, classify by name, see every similarity – and
        ask a multimodal model about a picture with marks on it.
      </PageHead>
      <div>
        <Segments
          label="What to do"
          value={part}
          onChange={setPart}
          options={[
            { value: 'search', label: 'Search' },
            { value: 'zero-shot', label: 'Zero-shot' },
            { value: 'matrix', label: 'Similarity' },
            { value: 'questions', label: 'Questions' },
          ]}
        />
      </div>
      {error !== undefined && <Problem error={`The checkpoints cannot be listed: ${error}`} />}
      {!loading && !clip && error === undefined && part !== 'questions' && (
        <Note>There is no CLIP among the checkpoints yet.</Note>
      )}
      {clip && part === 'search' && <GallerySearch model={clip.id} />}
      {clip && part === 'zero-shot' && <ZeroShot model={clip.id} />}
      {clip && part === 'matrix' && <SimilarityMatrix model={clip.id} />}
      {part === 'questions' && <ImageQuestions models={multimodal} />}
    </div>
  );
}
