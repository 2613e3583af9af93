/** Filters of words and links. */

import type { CommandComponents, QueryComponents } from '@boxroom/client';
import { useState } from 'react';
import { Choice, Field } from '../../ui/parts.js';
import { useServices, useTexts } from '../context.js';
import { Opener, TaskDialog } from '../dialogs.js';
import { usePages } from '../hooks.js';
import { Listed, Mark, Moment, View } from '../parts.js';

type Filter = QueryComponents['schemas']['FilterView'];
type Kind = CommandComponents['schemas']['FilterKind'];
type Consequence = CommandComponents['schemas']['FilterAction'];

/** All filters. Operators change them. */
export function FiltersView() {
  const { t } = useTexts();
  const { api, isOperator } = useServices();
  const filters = usePages('filters', (cursor) => api.listFilters({ limit: 200, ...(cursor ? { cursor } : {}) }));
  return (
    <View
      title={t('filters')}
      actions={
        isOperator && (
          <Opener label={t('add_filter')} isPrimary>
            {(close) => <FilterDialog onClose={close} onChange={filters.reload} />}
          </Opener>
        )
      }
    >
      <p className="quiet">{t('filters_lead')}</p>
      <Listed pages={filters} label={t('filters')} empty={t('no_filters')} icon="search">
        {(filter) => (
          <li key={filter.filter_id} className="ops-entry">
            <span className="ops-entry-text">
              <span className="ops-entry-title">{filter.pattern}</span>
              <span className="small quiet">
                {`${filter.filter_id} · ${filter.kind === 'link' ? t('filter_link') : t('filter_word')} · `}
                <Moment at={filter.changed_at} />
              </span>
            </span>
            <span className="ops-entry-end">
              <Mark tone={filter.action === 'refuse' ? 'bad' : 'warn'}>
                {t(`filter_${consequenceOf(filter.action)}`)}
              </Mark>
            </span>
            {isOperator && (
              <span className="ops-actions">
                <Opener label={t('change')} name={t('change_filter', { filter: filter.filter_id })}>
                  {(close) => <FilterDialog filter={filter} onClose={close} onChange={filters.reload} />}
                </Opener>
                <Opener label={t('remove')} name={t('remove_filter', { filter: filter.filter_id })} isDanger>
                  {(close) => (
                    <TaskDialog
                      title={t('ask_remove_filter', { filter: filter.filter_id })}
                      action={t('remove')}
                      done={t('filter_is_removed', { filter: filter.filter_id })}
                      isDanger
                      onClose={close}
                      onRun={(options) => api.removeFilter({ filter: filter.filter_id }, options).then(filters.reload)}
                    >
                      <p>{filter.pattern}</p>
                    </TaskDialog>
                  )}
                </Opener>
              </span>
            )}
          </li>
        )}
      </Listed>
    </View>
  );
}

function FilterDialog({ filter, onClose, onChange }: { filter?: Filter; onClose: () => void; onChange: () => void }) {
  const { t } = useTexts();
  const { api } = useServices();
  const [id, setId] = useState(filter?.filter_id ?? '');
  const [kind, setKind] = useState<Kind>(filter?.kind === 'link' ? 'link' : 'word');
  const [pattern, setPattern] = useState(filter?.pattern ?? '');
  const [action, setAction] = useState<Consequence>(consequenceOf(filter?.action));
  return (
    <TaskDialog
      title={filter ? t('change_filter', { filter: filter.filter_id }) : t('add_filter')}
      action={t('save')}
      done={t('filter_is_saved', { filter: id })}
      onClose={onClose}
      onRun={(options) => api.setFilter({ filter: id, body: { kind, pattern, action } }, options).then(onChange)}
    >
      {!filter && (
        <Field
          label={t('filter_id')}
          hint={t('id_hint')}
          required
          autoCapitalize="none"
          spellCheck={false}
          pattern="[a-z0-9][a-z0-9_\-]{0,39}"
          value={id}
          onChange={(event) => setId(event.target.value)}
        />
      )}
      <Choice
        label={t('kind')}
        value={kind}
        options={[
          ['word', t('filter_word')],
          ['link', t('filter_link')],
        ]}
        onChange={setKind}
      />
      <Field
        label={t('pattern')}
        hint={kind === 'word' ? t('pattern_word_hint') : t('pattern_link_hint')}
        required
        maxLength={64}
        value={pattern}
        onChange={(event) => setPattern(event.target.value)}
      />
      <Choice
        label={t('consequence')}
        value={action}
        options={[
          ['refuse', t('filter_refuse')],
          ['mask', t('filter_mask')],
          ['hold', t('filter_hold')],
        ]}
        onChange={setAction}
      />
    </TaskDialog>
  );
}

/** The consequence of a match. One that this page does not know yet counts as the strictest. */
function consequenceOf(action: string | undefined): Consequence {
  return action === 'mask' || action === 'hold' ? action : 'refuse';
}
