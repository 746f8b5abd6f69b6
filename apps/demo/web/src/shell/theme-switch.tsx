import { Monitor, Moon, Sun } from 'lucide-react';
import { useEffect } from 'react';
import { Segments } from '../components/segments.js';
import { useStored } from '../lib/stored.js';

type Theme = 'system' | 'light' | 'dark';

export function ThemeSwitch() {
  const [theme, setTheme] = useStored<Theme>('theme', 'system');
  useEffect(() => {
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);
  return (
    <Segments
      label="Theme"
      value={theme}
      onChange={setTheme}
      options={[
        { value: 'system', label: 'System theme', icon: <Monitor size={15} aria-hidden /> },
        { value: 'light', label: 'Light theme', icon: <Sun size={15} aria-hidden /> },
        { value: 'dark', label: 'Dark theme', icon: <Moon size={15} aria-hidden /> },
      ]}
      iconsOnly
    />
  );
}
