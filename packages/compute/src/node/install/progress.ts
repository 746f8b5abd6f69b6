export type Phase = 'check' | 'download' | 'unpack' | 'compile' | 'verify' | 'done';

export interface InstallProgress {
  readonly phase: Phase;
  readonly message: string;
  /** 0 to 1 within the phase, where it can be known. */
  readonly fraction: number | undefined;
}

export type Report = (phase: Phase, message: string, fraction?: number) => void;
