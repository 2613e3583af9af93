/** Stores: the list, and one of them. */

import type { QueryComponents } from '@boxroom/client';
import { useState, type FormEvent } from 'react';
import { useWords } from '../../texts/index.js';
import { Field } from '../../ui/parts.js';
import { useServices, useTexts } from '../context.js';
import { Opener, ReasonDialog, TaskDialog } from '../dialogs.js';
import { LIST_MS, usePages, useRead } from '../hooks.js';
import { Entry, Facts, Listed, Loaded, Mark, Moment, Section, View } from '../parts.js';
import { at, goTo } from '../routes.js';

type Store = QueryComponents['schemas']['StoreView'];

/** All stores. */
export function StoresView() {
  const { t } = useTexts();
  const { t: page } = useWords();
  const { api, isOperator } = useServices();
  const [written, setWritten] = useState('');
  const [zip, setZip] = useState('');
  const stores = usePages(`stores ${zip}`, (cursor) =>
    api.listStores({ ...(zip ? { zip_code: zip } : {}), ...(cursor ? { cursor } : {}) }),
  );
  return (
    <View
      title={t('stores')}
      actions={
        isOperator && (
          <Opener label={t('register_store')} isPrimary>
            {(close) => <StoreDialog onClose={close} />}
          </Opener>
        )
      }
    >
      <form
        className="row bottom"
        role="search"
        onSubmit={(event: FormEvent) => {
          event.preventDefault();
          setZip(written.trim());
        }}
      >
        <Field
          className="grow"
          type="search"
          label={page('postal_code')}
          maxLength={16}
          value={written}
          onChange={(event) => setWritten(event.target.value)}
        />
        <button className="button">{page('search')}</button>
      </form>
      <Listed pages={stores} label={t('stores')} empty={t('no_stores')} icon="box">
        {(store) => (
          <Entry
            key={store.store_id}
            href={at('stores', store.store_id)}
            title={store.name}
            end={<StoreMark store={store} />}
          >
            {[store.store_id, store.zip_code, store.category].filter(Boolean).join(' · ')}
          </Entry>
        )}
      </Listed>
    </View>
  );
}

function StoreMark({ store }: { store: Store }) {
  const { t } = useTexts();
  if (store.retired) return <Mark tone="plain">{t('store_retired')}</Mark>;
  return <Mark tone={store.open ? 'good' : 'warn'}>{store.open ? t('store_open') : t('store_closed')}</Mark>;
}

/** One store. */
export function StoreView({ id }: { id: string }) {
  const { t } = useTexts();
  const { api, isOperator } = useServices();
  const store = useRead(`store ${id}`, () => api.showStore({ store: id }), LIST_MS);
  return (
    <View title={store.data?.name ?? id} back={at('stores')}>
      <Loaded read={store}>
        {(data) => (
          <>
            <Section
              title={t('details')}
              actions={
                isOperator &&
                !data.retired && (
                  <Opener label={t('change')}>
                    {(close) => <StoreDialog store={data} onClose={close} onChange={store.reload} />}
                  </Opener>
                )
              }
            >
              <Details store={data} />
            </Section>
            {isOperator && !data.retired && <Actions store={data} onChange={store.reload} />}
          </>
        )}
      </Loaded>
    </View>
  );
}

function Details({ store }: { store: Store }) {
  const { t } = useTexts();
  const { t: page } = useWords();
  return (
    <Facts
      facts={[
        [t('state'), <StoreMark key="state" store={store} />],
        [t('id'), store.store_id],
        [page('postal_code'), store.zip_code],
        [t('category_of_food'), store.category],
        [t('registered_at'), <Moment key="registered" at={store.registered_at} />],
      ]}
    />
  );
}

function Actions({ store, onChange }: { store: Store; onChange: () => void }) {
  const { t } = useTexts();
  const { api } = useServices();
  const { store_id: id, name } = store;
  const next = store.open ? 'closed' : 'open';
  const label = store.open ? t('close_store') : t('open_store');
  return (
    <Section title={t('operation')}>
      <div className="ops-actions">
        <Opener label={label} isDanger={store.open}>
          {(close) => (
            <TaskDialog
              title={store.open ? t('ask_close_store', { name }) : t('ask_open_store', { name })}
              action={label}
              done={t('store_is_saved', { name })}
              isDanger={store.open}
              onClose={close}
              onRun={(options) => api.setAvailability({ store: id, body: { state: next } }, options).then(onChange)}
            />
          )}
        </Opener>
        <Opener label={t('retire_store')} isDanger>
          {(close) => (
            <ReasonDialog
              title={t('ask_retire_store', { name })}
              lead={t('retire_store_lead')}
              action={t('retire_store')}
              done={t('store_is_retired', { name })}
              typed={id}
              onClose={close}
              onRun={(reason, options) => api.retireStore({ store: id, body: { reason } }, options).then(onChange)}
            />
          )}
        </Opener>
      </div>
    </Section>
  );
}

function StoreDialog({ store, onClose, onChange }: { store?: Store; onClose: () => void; onChange?: () => void }) {
  const { t } = useTexts();
  const { t: page } = useWords();
  const { api } = useServices();
  const [id, setId] = useState(store?.store_id ?? '');
  const [name, setName] = useState(store?.name ?? '');
  const [zip, setZip] = useState(store?.zip_code ?? '');
  const [category, setCategory] = useState(store?.category ?? '');
  const food = category.trim();
  const common = { name: name.trim(), zip_code: zip.trim(), ...(food ? { category: food } : {}) };
  return (
    <TaskDialog
      title={store ? t('change_store', { name: store.name }) : t('register_store')}
      action={store ? t('save') : t('register')}
      done={t('store_is_saved', { name })}
      onClose={onClose}
      onRun={async (options) => {
        if (store) await api.changeStore({ store: store.store_id, body: common }, options);
        else {
          const { id: made } = await api.registerStore(
            { body: { ...common, ...(id ? { store_id: id } : {}) } },
            options,
          );
          goTo('stores', made);
        }
        onChange?.();
      }}
    >
      {!store && (
        <Field
          label={t('store_id')}
          hint={t('id_optional_hint')}
          autoCapitalize="none"
          spellCheck={false}
          pattern="[a-z0-9][a-z0-9_\-]{0,39}"
          value={id}
          onChange={(event) => setId(event.target.value)}
        />
      )}
      <Field
        label={t('name')}
        required
        maxLength={100}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <Field
        label={page('postal_code')}
        required
        maxLength={16}
        value={zip}
        onChange={(event) => setZip(event.target.value)}
      />
      <Field
        label={t('category_of_food')}
        hint={t('optional')}
        maxLength={40}
        value={category}
        onChange={(event) => setCategory(event.target.value)}
      />
    </TaskDialog>
  );
}
