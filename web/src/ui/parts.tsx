/** Small parts of all views. */

import {
  useEffect,
  useId,
  useRef,
  useState,
  type ButtonHTMLAttributes,
  type InputHTMLAttributes,
  type ReactNode,
} from 'react';
import { useWords } from '../texts/index.js';

const PATHS = {
  back: 'M15 5l-7 7 7 7',
  close: 'M6 6l12 12M18 6L6 18',
  send: 'M4 12l16-8-6 16-3-7z',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  search: 'M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM20 20l-4.5-4.5',
  people:
    'M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20c.5-4 3-6 6.5-6s6 2 6.5 6M16 4.5a3.5 3.5 0 0 1 0 6.5M18 14.5c2 .7 3.2 2.5 3.5 5.5',
  box: 'M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8',
  chat: 'M5 5h14a2 2 0 0 1 2 2v8a2 2 0 0 1-2 2h-7l-5 4v-4H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2z',
  bell: 'M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 21h4',
  bell_off: 'M6 16V11a6 6 0 0 1 9-5.2M18 11v5l1.5 2h-15M10 21h4M4 4l16 16',
  gear: 'M12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM12 3v3M12 18v3M3 12h3M18 12h3M5.6 5.6l2.1 2.1M16.3 16.3l2.1 2.1M18.4 5.6l-2.1 2.1M7.7 16.3l-2.1 2.1',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  pin: 'M9 4h6l-1 6 3 3H7l3-3zM12 13v7',
  down: 'M12 5v14M6 13l6 6 6-6',
  smile: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM8.5 14.5c1.8 2.2 5.2 2.2 7 0M9 9.5h.01M15 9.5h.01',
  locate: 'M12 19a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM12 2v4M12 18v4M2 12h4M18 12h4',
  clock: 'M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 3',
  calendar: 'M4 6h16v14H4zM4 10h16M8 3v5M16 3v5',
  reply: 'M10 7L4 12l6 5v-3c5 0 8 1.5 10 5-.5-6-4-9-10-9z',
  plus: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  menu: 'M4 6h16M4 12h16M4 18h16',
} as const;

/** The name of an icon. */
export type IconName = keyof typeof PATHS;

/** An icon, which readers of the screen skip. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg className="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** A button with an icon; its label is read aloud and shown as a hint. */
export function IconButton({
  icon,
  label,
  className = '',
  children,
  ...rest
}: { icon: IconName; label: string } & ButtonHTMLAttributes<HTMLButtonElement>) {
  return (
    <button type="button" className={`icon-button ${className}`} aria-label={label} title={label} {...rest}>
      <Icon name={icon} />
      {children}
    </button>
  );
}

/** A labelled input with a hint and an error. */
export function Field({
  label,
  hint,
  error,
  className = '',
  ...rest
}: { label: string; hint?: string | undefined; error?: string | undefined } & InputHTMLAttributes<HTMLInputElement>) {
  const id = useId();
  const described = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ');
  return (
    <div className={`field ${className}`}>
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        {...(described ? { 'aria-describedby': described } : {})}
        aria-invalid={error ? true : undefined}
        {...rest}
      />
      {hint && (
        <p className="hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {error && (
        <p className="error" id={`${id}-error`}>
          {error}
        </p>
      )}
    </div>
  );
}

/** A password with a switch that shows it. */
export function PasswordField(props: { label: string; hint?: string } & InputHTMLAttributes<HTMLInputElement>) {
  const { t } = useWords();
  const [isShown, setShown] = useState(false);
  return (
    <div className="password-field">
      <Field {...props} type={isShown ? 'text' : 'password'} autoCapitalize="none" spellCheck={false} />
      <label className="check small">
        <input type="checkbox" checked={isShown} onChange={(event) => setShown(event.target.checked)} />
        {t('show_password')}
      </label>
    </div>
  );
}

/** A labelled choice. */
export function Choice<T extends string>({
  label,
  value,
  options,
  onChange,
  ...rest
}: {
  label: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
  required?: boolean;
  disabled?: boolean;
}) {
  const id = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.target.value as T)} {...rest}>
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </div>
  );
}

/** An error of a form, read aloud when it appears. */
export function FormError({ text }: { text: string | undefined }) {
  return (
    <div role="alert" className="form-error-place">
      {text && <p className="form-error">{text}</p>}
    </div>
  );
}

/** A dialog. The browser keeps the focus inside and returns it at the end. */
export function Dialog({
  title,
  onClose,
  children,
  className = '',
}: {
  title: string;
  onClose: () => void;
  children: ReactNode;
  className?: string;
}) {
  const { t } = useWords();
  const id = useId();
  const ref = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = ref.current;
    const before = document.activeElement;
    if (dialog && !dialog.open) dialog.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog
      ref={ref}
      className={`dialog ${className}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        // A dialog above this one closes alone.
        if (event.target === ref.current) onClose();
      }}
      onClick={(event) => event.target === ref.current && onClose()}
    >
      <div className="dialog-body">
        <header className="dialog-head">
          <h2 id={id}>{title}</h2>
          <IconButton icon="close" label={t('close')} onClick={onClose} />
        </header>
        {children}
      </div>
    </dialog>
  );
}

/** A dialog that asks before something is done. */
export function Confirm({
  title,
  action,
  onConfirm,
  onClose,
  isDanger = true,
}: {
  title: string;
  action: string;
  onConfirm: () => void;
  onClose: () => void;
  isDanger?: boolean;
}) {
  const { t } = useWords();
  return (
    <Dialog title={title} onClose={onClose} className="narrow">
      <div className="row end">
        <button type="button" className="button" onClick={onClose}>
          {t('cancel')}
        </button>
        <button
          type="button"
          className={isDanger ? 'button danger' : 'button primary'}
          onClick={() => {
            onClose();
            onConfirm();
          }}
        >
          {action}
        </button>
      </div>
    </Dialog>
  );
}

/** The first letter of a name in a colour of the user. */
export function Avatar({ userId, name }: { userId: string; name: string | null }) {
  let hash = 0;
  for (const letter of userId) hash = (hash * 31 + (letter.codePointAt(0) ?? 0)) % 8;
  const letter = [...(name ?? '–')][0]?.toLocaleUpperCase() ?? '–';
  return (
    <span className={`avatar tint-${hash}`} aria-hidden="true">
      {letter}
    </span>
  );
}

/** The mark of loading. */
export function Loading() {
  const { t } = useWords();
  return (
    <p className="loading" role="status">
      <span className="spinner" aria-hidden="true" />
      {t('loading')}
    </p>
  );
}

/** A note in place of a list without entries. */
export function Empty({ icon, text, children }: { icon: IconName; text: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <Icon name={icon} />
      <p>{text}</p>
      {children}
    </div>
  );
}

/** A number in a small circle. */
export function Badge({ count, label }: { count: number; label: string }) {
  if (count <= 0) return null;
  return (
    <span className="badge">
      <span aria-hidden="true">{count > 99 ? '99+' : count}</span>
      <span className="hidden">{label}</span>
    </span>
  );
}
