/** A report to the moderators. */

import { useBoxroom, useNames, type ChatMessage } from '@boxroom/react';
import { useState, type FormEvent } from 'react';
import { useAction } from '../../lib/hooks.js';
import { useWords } from '../../texts/index.js';
import { Choice, Dialog, FormError } from '../../ui/parts.js';
import { toast } from '../../ui/toasts.js';

const CATEGORIES = ['spam', 'harassment', 'hate', 'sexual', 'violence', 'illegal', 'other'] as const;

/** The form of a report: of a message, or of a user. */
export function ReportDialog(
  props: { onClose: () => void } & ({ roomId: string; message: ChatMessage } | { userId: string }),
) {
  const { onClose } = props;
  const { t } = useWords();
  const client = useBoxroom();
  const nameOf = useNames();
  const [category, setCategory] = useState<(typeof CATEGORIES)[number]>('spam');
  const [note, setNote] = useState('');
  const { busy, error, run } = useAction();
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const what =
      'message' in props ? { room_id: props.roomId, message_id: props.message.message_id } : { user_id: props.userId };
    const text = note.trim() === '' ? {} : { note: note.trim() };
    if (await run(() => client.api.fileReport({ body: { ...what, category, ...text } }))) {
      toast(t('report_sent'));
      onClose();
    }
  };
  const title =
    'message' in props ? t('report_message') : t('report_user', { name: nameOf(props.userId) ?? t('unknown_user') });
  return (
    <Dialog title={title} onClose={onClose} className="narrow">
      <form onSubmit={(event) => void submit(event)}>
        <Choice
          label={t('report_reason')}
          value={category}
          options={CATEGORIES.map((key) => [key, t(`report_${key}`)] as const)}
          onChange={setCategory}
        />
        <div className="field">
          <label htmlFor="report-note">{t('report_note')}</label>
          <textarea
            id="report-note"
            rows={3}
            maxLength={1000}
            value={note}
            onChange={(event) => setNote(event.target.value)}
          />
        </div>
        <FormError text={error} />
        <div className="row end">
          <button type="button" className="button" onClick={onClose}>
            {t('cancel')}
          </button>
          <button className="button primary" disabled={busy}>
            {t('report')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
