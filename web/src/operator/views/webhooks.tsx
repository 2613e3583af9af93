/** Webhooks: the list, and a new one. */

import { useState } from 'react';
import { Dialog, Empty, Field } from '../../ui/parts.js';
import { useGateway, useTexts } from '../context.js';
import { Opener, Secret, TaskDialog } from '../dialogs.js';
import { typesOf } from '../forms.js';
import { LIST_MS, useRead } from '../hooks.js';
import { Entry, Loaded, LongField, Mark, Moment, View } from '../parts.js';
import type { AddedWebhook, Webhook } from '../protocol.js';
import { at } from '../routes.js';

/** All webhooks, in the order of their registration. */
export function WebhooksView() {
  const { t } = useTexts();
  const gateway = useGateway();
  const [added, setAdded] = useState<AddedWebhook>();
  const webhooks = useRead(
    'webhooks',
    async () => {
      const found: Webhook[] = [];
      for (let after: string | null = null; ;) {
        const page: Webhook[] = await gateway.notifier('webhook_list', { after });
        found.push(...page);
        after = page.at(-1)?.webhook_id ?? null;
        if (after === null) return found;
      }
    },
    LIST_MS,
  );
  return (
    <View
      title={t('webhooks')}
      actions={
        <Opener label={t('add_webhook')} isPrimary>
          {(close) => (
            <AddDialog
              onClose={close}
              onAdded={(made) => {
                setAdded(made);
                webhooks.reload();
              }}
            />
          )}
        </Opener>
      }
    >
      {added && (
        <Dialog
          title={t('webhook_is_added', { webhook: added.webhook.webhook_id })}
          onClose={() => setAdded(undefined)}
        >
          <Secret label={t('webhook_secret')} hint={t('shown_once')} value={added.secret} />
        </Dialog>
      )}
      <Loaded read={webhooks}>
        {(found) =>
          found.length === 0 ? (
            <Empty icon="send" text={t('no_webhooks')} />
          ) : (
            <ul className="ops-list" aria-label={t('webhooks')}>
              {found.map((webhook) => (
                <Entry
                  key={webhook.webhook_id}
                  href={at('webhooks', webhook.webhook_id)}
                  title={webhook.url}
                  end={<WebhookMark webhook={webhook} />}
                >
                  {`${webhook.webhook_id} · ${typesText(webhook, t)}`}
                  {webhook.last_failure && (
                    <>
                      {` · ${t('failed_at')} `}
                      <Moment at={webhook.last_failure.at} />
                    </>
                  )}
                </Entry>
              ))}
            </ul>
          )
        }
      </Loaded>
    </View>
  );
}

/** The types of a webhook's events, and its box. */
export function typesText({ types, box_id }: Webhook, t: ReturnType<typeof useTexts>['t']): string {
  const all = types.includes('*') ? t('all_types') : types.join(', ');
  return box_id === null ? all : `${all} · ${t('only_box', { box: box_id })}`;
}

/** The state of a webhook. */
export function WebhookMark({ webhook }: { webhook: Webhook }) {
  const { t } = useTexts();
  if (webhook.paused_at === null) return <Mark tone="good">{t('webhook_active')}</Mark>;
  return <Mark tone="bad">{webhook.paused_by === 'receiver' ? t('paused_by_receiver') : t('paused')}</Mark>;
}

function AddDialog({ onClose, onAdded }: { onClose: () => void; onAdded: (added: AddedWebhook) => void }) {
  const { t } = useTexts();
  const gateway = useGateway();
  const [url, setUrl] = useState('https://');
  const [types, setTypes] = useState('*');
  const [box, setBox] = useState('');
  return (
    <TaskDialog
      title={t('add_webhook')}
      action={t('add')}
      isDisabled={typesOf(types).length === 0}
      onClose={onClose}
      onRun={async () => {
        const box_id = box.trim() === '' ? null : box.trim();
        onAdded(await gateway.notifier('webhook_add', { url: url.trim(), types: typesOf(types), box_id }));
      }}
    >
      <Field
        label={t('url')}
        hint={t('url_hint')}
        type="url"
        required
        maxLength={2048}
        value={url}
        onChange={(event) => setUrl(event.target.value)}
      />
      <LongField
        label={t('event_types')}
        hint={t('event_types_hint')}
        required
        autoCapitalize="none"
        spellCheck={false}
        value={types}
        onChange={(event) => setTypes(event.target.value)}
      />
      <Field
        label={t('box_id')}
        hint={t('webhook_box_hint')}
        autoCapitalize="none"
        spellCheck={false}
        pattern="\s*[a-z0-9][a-z0-9_\-]{0,39}\s*"
        value={box}
        onChange={(event) => setBox(event.target.value)}
      />
    </TaskDialog>
  );
}
