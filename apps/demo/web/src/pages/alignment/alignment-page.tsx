import { useState } from 'react';
import { Note, Problem } from '../../components/feedback.js';
import { Select } from '../../components/fields.js';
import { PageHead } from '../../components/page-head.js';
import { Segments } from '../../components/segments.js';
import type { RankingSpec } from '../../lib/lab-types.js';
import { useModels } from '../../lib/models.js';
import './alignment.css';
import { PolicyLab } from './policy-lab.js';
import { RankingLab } from './ranking-lab.js';
import { SelfImprovementLab } from './self-improvement-lab.js';

type Part = 'rank' | 'ppo' | 'improve';

export default function AlignmentPage() {
  const { models, loading, error } = useModels();
  const usable = models.filter(({ kind }) => kind === 'gpt');
  const [part, setPart] = useState<Part>('rank');
  const [model, setModel] = useState('');
  const [rankings, setRankings] = useState<readonly RankingSpec[]>([]);
  const [rewardModel, setRewardModel] = useState<string>();
  const fallback = usable.find(({ id }) => id === 'sft') ?? usable[0];
  const base = usable.some(({ id }) => id === model) ? model : (fallback?.id ?? '');
  return (
    <div className="page">
      <PageHead title="Alignment lab">
        InstructGPT’s steps with your own hands: rank answers, watch a reward model learn your taste, let PPO
        follow it, and see what it costs. All of it runs in this page.
      </PageHead>
      <div className="row between">
        <Segments
          label="Step"
          value={part}
          onChange={setPart}
          options={[
            { value: 'rank', label: 'Rank and reward' },
            { value: 'ppo', label: 'PPO and rules' },
            { value: 'improve', label: 'Self-improvement' },
          ]}
        />
        {part !== 'improve' && (
          <div style={{ width: '15rem' }}>
            <Select
              label="Model"
              value={base}
              onChange={setModel}
              options={usable.map(({ id, title }) => ({ value: id, label: title }))}
            />
          </div>
        )}
      </div>
      {error !== undefined && <Problem error={`The checkpoints cannot be listed: ${error}`} />}
      {!loading && usable.length === 0 && error === undefined && (
        <Note>There is no checkpoint to align yet.</Note>
      )}
      {/* Kept when hidden: a run goes on while another step is looked at. */}
      <div hidden={part !== 'rank'}>
        <RankingLab
          key={base}
          base={base}
          rankings={rankings}
          onRankings={setRankings}
          onTrained={() => setRewardModel(base)}
        />
      </div>
      <div hidden={part !== 'ppo'}>
        <PolicyLab base={base} hasRewardModel={rewardModel === base && base !== ''} />
      </div>
      <div hidden={part !== 'improve'}>
        <SelfImprovementLab />
      </div>
    </div>
  );
}
