/** Dialogs of the operators' views. */

import { uuidv7, type RequestOptions } from '@boxroom/client';
import { useState, type FormEvent, type ReactNode } from 'react';
import { useWords } from '../texts/index.js';
import { Dialog, Field, FormError, IconButton, type IconName } from '../ui/parts.js';
import { toast } from '../ui/toasts.js';
import { useTexts } from './context.js';
import { useTask } from './hooks.js';

/** A secret that is shown once. */
export function Secret({ label, hint, value }: { label: string; hint: string; value: string }) {
  const { t } = useWords();
  return (
    <div className="stack">
      <div className="row bottom">
        <Field
          className="grow"
          label={label}
          hint={hint}
          readOnly
          value={value}
          onFocus={(event) => event.target.select()}
        />
      </div>
      <button
        type="button"
        className="button"
        onClick={() => void navigator.clipboard.writeText(value).then(() => toast(t('copied')))}
      >
        {t('copy')}
      </button>
    </div>
  );
}

/** A dialog that carries out a request. It stays open with the problem if there is one. */
export function TaskDialog({
  title,
  action,
  done,
  onRun,
  onClose,
  isDanger = false,
  isDisabled = false,
  children,
}: {
  title: string;
  action: string;
  /** The note after success. */
  done?: string;
  /** Receives the options of one command: a repeat after a failure has the same key. */
  onRun: (options: RequestOptions) => Promise<unknown>;
  onClose: () => void;
  isDanger?: boolean;
  isDisabled?: boolean;
  children?: ReactNode;
}) {
  const { t } = useWords();
  const { busy, error, run } = useTask();
  const [idempotencyKey] = useState(() => uuidv7());
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (await run(() => onRun({ idempotencyKey }))) {
      if (done) toast(done);
      onClose();
    }
  };
  return (
    <Dialog title={title} onClose={onClose} className="narrow">
      <form onSubmit={(event) => void submit(event)}>
        {children}
        <FormError text={error} />
        <div className="row end">
          <button type="button" className="button" onClick={onClose}>
            {t('cancel')}
          </button>
          <button className={isDanger ? 'button danger' : 'button primary'} disabled={busy || isDisabled}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** A dialog for an action that is hard to undo. It names the object, and asks for a reason. */
export function ReasonDialog({
  title,
  lead,
  action,
  done,
  typed,
  onRun,
  onClose,
  children,
}: {
  title: string;
  lead?: string;
  action: string;
  done: string;
  /** A text that must be typed before the action. */
  typed?: string;
  onRun: (reason: string, options: RequestOptions) => Promise<unknown>;
  onClose: () => void;
  children?: ReactNode;
}) {
  const { t } = useTexts();
  const [reason, setReason] = useState('');
  const [written, setWritten] = useState('');
  return (
    <TaskDialog
      title={title}
      action={action}
      done={done}
      isDanger
      isDisabled={typed !== undefined && written.trim() !== typed}
      onRun={(options) => onRun(reason.trim(), options)}
      onClose={onClose}
    >
      {lead && <p>{lead}</p>}
      {children}
      <Field
        label={t('reason')}
        hint={t('reason_hint')}
        required
        maxLength={200}
        value={reason}
        onChange={(event) => setReason(event.target.value)}
      />
      {typed !== undefined && (
        <Field
          label={t('type_to_confirm', { text: typed })}
          required
          autoCapitalize="none"
          autoComplete="off"
          spellCheck={false}
          value={written}
          onChange={(event) => setWritten(event.target.value)}
        />
      )}
    </TaskDialog>
  );
}

/** A button that opens a dialog. */
export function Opener({
  label,
  isDanger = false,
  isPrimary = false,
  isSmall = true,
  name,
  icon,
  children,
}: {
  label: string;
  isDanger?: boolean;
  isPrimary?: boolean;
  isSmall?: boolean;
  /** A longer name for readers of the screen. */
  name?: string;
  icon?: IconName;
  children: (close: () => void) => ReactNode;
}) {
  const [isOpen, setOpen] = useState(false);
  const look = isDanger ? 'danger' : isPrimary ? 'primary' : '';
  const open = () => setOpen(true);
  return (
    <>
      {icon ? (
        <IconButton icon={icon} label={label} onClick={open} />
      ) : (
        <button type="button" className={`button ${isSmall ? 'small' : ''} ${look}`} aria-label={name} onClick={open}>
          {label}
        </button>
      )}
      {isOpen && children(() => setOpen(false))}
    </>
  );
}
