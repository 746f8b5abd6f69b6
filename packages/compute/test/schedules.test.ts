import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  constantSchedule,
  cosineSchedule,
  linearSchedule,
  type Schedule,
  wsdSchedule,
} from '../src/index.js';

const at = (schedule: Schedule, ...steps: number[]) => steps.map((s) => Number(schedule(s).toFixed(6)));

describe('schedules', () => {
  it('constant', () => expect(at(constantSchedule(0.3), 0, 1, 1e6)).toEqual([0.3, 0.3, 0.3]));

  it('warm-up and cosine, by hand', () => {
    // Warm-up: 1/5, 2/5 … of the peak. Then halfway (step 4 + 4) the mean of peak and final.
    const s = cosineSchedule({ peak: 1, final: 0.1, warmupSteps: 4, totalSteps: 12 });
    expect(at(s, 0, 3, 4, 8, 12, 500)).toEqual([0.2, 0.8, 1, 0.55, 0.1, 0.1]);
  });

  it('linear, by hand', () => {
    const s = linearSchedule({ peak: 2, totalSteps: 4 });
    expect(at(s, 0, 1, 2, 3, 4, 9)).toEqual([2, 1.5, 1, 0.5, 0, 0]);
  });

  it('warm-up, stable, decay, by hand', () => {
    const options = { peak: 1, warmupSteps: 1, totalSteps: 9, decaySteps: 4 };
    expect(at(wsdSchedule(options), 0, 1, 5, 6, 8, 9, 10)).toEqual([0.5, 1, 1, 0.75, 0.25, 0, 0]);
    expect(at(wsdSchedule({ ...options, decay: 'sqrt' }), 5, 6, 9)).toEqual([1, 0.5, 0]);
    expect(at(wsdSchedule({ ...options, decay: 'cosine', final: 0.5 }), 5, 7, 9)).toEqual([1, 0.75, 0.5]);
  });

  it('stay between 0 and the peak, end at final, and are functions of the step alone', () => {
    const options = fc
      .record({
        peak: fc.double({ min: 1e-6, max: 1, noNaN: true }),
        fraction: fc.double({ min: 0, max: 1, noNaN: true }),
        warmupSteps: fc.nat(50),
        rest: fc.integer({ min: 1, max: 100 }),
        step: fc.nat(400),
      })
      .map((o) => ({ ...o, final: o.peak * o.fraction, totalSteps: o.warmupSteps + o.rest }));
    fc.assert(
      fc.property(options, ({ peak, final, warmupSteps, totalSteps, step }) => {
        const ramp = { peak, final, warmupSteps, totalSteps };
        for (const s of [
          cosineSchedule(ramp),
          linearSchedule(ramp),
          wsdSchedule({ ...ramp, decaySteps: 1 }),
        ]) {
          expect(s(step)).toBeGreaterThan(final === 0 ? -1e-12 : 0);
          expect(s(step)).toBeLessThanOrEqual(peak * (1 + 1e-12));
          expect(s(totalSteps)).toBeCloseTo(final, 12);
          expect(s(step)).toBe(s(step));
        }
      }),
      { seed: 1 },
    );
  });

  it('refuse what cannot be', () => {
    expect(() => constantSchedule(Number.NaN)).toThrow(
      'learningRate must be a finite number ≥ 0, received NaN.',
    );
    expect(() => cosineSchedule({ peak: 1, warmupSteps: 9, totalSteps: 5 })).toThrow(
      'warmupSteps must be at most totalSteps = 5, received 9.',
    );
    expect(() => wsdSchedule({ peak: 1, totalSteps: 5, decaySteps: 6 })).toThrow(
      'decaySteps must be at most',
    );
    expect(() => wsdSchedule({ peak: 1, totalSteps: 5, decaySteps: 1, decay: 'step' as 'linear' })).toThrow(
      "decay must be one of linear, cosine, sqrt, received 'step'.",
    );
  });
});
