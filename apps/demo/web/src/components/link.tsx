import type { ComponentProps } from 'react';
import { Link as RouterLink } from 'wouter';

interface LinkProps extends Omit<ComponentProps<'a'>, 'href' | 'ref'> {
  readonly to: string;
}

/** A link to a page of the app. */
export function Link({ to, ...rest }: LinkProps) {
  return <RouterLink href={to} {...rest} />;
}
