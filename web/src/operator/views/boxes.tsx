/** Boxes: the list, and a new one. */

import type { CommandComponents, QueryComponents } from '@boxroom/client';
import { useState, type FormEvent } from 'react';
import { useWords } from '../../texts/index.js';
import { Choice, Field } from '../../ui/parts.js';
import { useServices, useTexts } from '../context.js';
import { Opener, TaskDialog } from '../dialogs.js';
import { usePages } from '../hooks.js';
import { Entry, Listed, Mark, View } from '../parts.js';
import { at, goTo } from '../routes.js';

type Box = QueryComponents['schemas']['BoxView'];
type BoxKind = CommandComponents['schemas']['BoxKind'];

/** All boxes, the newest first. */
export function BoxesView() {
  const { t } = useTexts();
  const { t: page } = useWords();
  const { api, isOperator } = useServices();
  const [written, setWritten] = useState('');
  const [zip, setZip] = useState('');
  const [id, setId] = useState('');
  const boxes = usePages(`boxes ${zip}`, (cursor) =>
    api.listBoxes({ ...(zip ? { zip_code: zip } : {}), ...(cursor ? { cursor } : {}) }),
  );
  return (
    <View
      title={t('boxes')}
      actions={
        isOperator && (
          <Opener label={t('install_box')} isPrimary>
            {(close) => <BoxDialog onClose={close} />}
          </Opener>
        )
      }
    >
      <div className="ops-searches">
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
        <form
          className="row bottom"
          onSubmit={(event: FormEvent) => {
            event.preventDefault();
            goTo('boxes', id.trim());
          }}
        >
          <Field
            className="grow"
            label={t('box_id')}
            required
            autoCapitalize="none"
            spellCheck={false}
            value={id}
            onChange={(event) => setId(event.target.value)}
          />
          <button className="button">{t('open')}</button>
        </form>
      </div>
      <Listed pages={boxes} label={t('boxes')} empty={t('no_boxes')} icon="box">
        {(box) => (
          <Entry
            key={box.box_id}
            href={at('boxes', box.box_id)}
            title={box.address}
            end={
              <>
                <BoxMark box={box} />
                {box.kind === 'private' && <Mark tone="plain">{t('box_private')}</Mark>}
              </>
            }
          >
            {[box.box_id, box.zip_code, box.detailed_address, box.room_id].filter(Boolean).join(' · ')}
          </Entry>
        )}
      </Listed>
    </View>
  );
}

/** The status of a box. */
export function BoxMark({ box }: { box: Box }) {
  const { t: page } = useWords();
  const tones = { free: 'good', in_use: 'warn', out_of_service: 'bad', retired: 'plain' } as const;
  return <Mark tone={tones[box.status]}>{page(`box_${box.status}`)}</Mark>;
}

/** The form of a new box, or of the details of one. */
export function BoxDialog({ box, onClose, onChange }: { box?: Box; onClose: () => void; onChange?: () => void }) {
  const { t } = useTexts();
  const { t: page } = useWords();
  const { api } = useServices();
  const [id, setId] = useState(box?.box_id ?? '');
  const [kind, setKind] = useState<BoxKind>(box?.kind ?? 'shared');
  const [zip, setZip] = useState(box?.zip_code ?? '');
  const [address, setAddress] = useState(box?.address ?? '');
  const [details, setDetails] = useState(box?.detailed_address ?? '');
  const [latitude, setLatitude] = useState(box ? String(box.latitude) : '');
  const [longitude, setLongitude] = useState(box ? String(box.longitude) : '');
  const place = { latitude: Number(latitude), longitude: Number(longitude) };
  const common = { kind, zip_code: zip.trim(), address: address.trim(), detailed_address: details.trim() };
  return (
    <TaskDialog
      title={box ? t('change_box', { box: box.box_id }) : t('install_box')}
      action={box ? t('save') : t('install')}
      done={t('box_is_saved', { box: id })}
      onClose={onClose}
      onRun={async (options) => {
        if (box) await api.changeBoxDetails({ box: box.box_id, body: { ...common, coordinates: place } }, options);
        else {
          const body = { ...common, ...place, ...(id ? { box_id: id } : {}) };
          const { id: installed } = await api.installBox({ body }, options);
          goTo('boxes', installed);
        }
        onChange?.();
      }}
    >
      {!box && (
        <Field
          label={t('box_id')}
          hint={t('id_optional_hint')}
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
          ['shared', t('box_shared')],
          ['private', t('box_private')],
        ]}
        onChange={setKind}
      />
      <Field
        label={page('postal_code')}
        required
        maxLength={16}
        value={zip}
        onChange={(event) => setZip(event.target.value)}
      />
      <Field
        label={t('address')}
        required
        maxLength={200}
        value={address}
        onChange={(event) => setAddress(event.target.value)}
      />
      <Field
        label={t('detailed_address')}
        hint={t('detailed_address_hint')}
        required
        maxLength={200}
        value={details}
        onChange={(event) => setDetails(event.target.value)}
      />
      <div className="ops-pair">
        <Field
          label={t('latitude')}
          type="number"
          required
          min={-90}
          max={90}
          step="any"
          value={latitude}
          onChange={(event) => setLatitude(event.target.value)}
        />
        <Field
          label={t('longitude')}
          type="number"
          required
          min={-180}
          max={180}
          step="any"
          value={longitude}
          onChange={(event) => setLongitude(event.target.value)}
        />
      </div>
    </TaskDialog>
  );
}
