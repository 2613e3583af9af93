/** Rooms: the list, and one of them. */

import type { QueryComponents } from '@boxroom/client';
import { useState, type FormEvent } from 'react';
import { useWords } from '../../texts/index.js';
import { Field } from '../../ui/parts.js';
import { useServices, useTexts } from '../context.js';
import { Opener, ReasonDialog } from '../dialogs.js';
import { LIST_MS, usePages, useRead } from '../hooks.js';
import { Entry, Facts, Listed, Loaded, Mark, Moment, Section, Tabs, View } from '../parts.js';
import { at, goTo } from '../routes.js';

type Room = QueryComponents['schemas']['RoomView'];
type State = 'open' | 'closed' | 'all';

const ROOM_ID = /^[a-z0-9][a-z0-9_-]{0,39}\.[1-9][0-9]{0,8}$/;

/** All rooms, the newest first. */
export function RoomsView() {
  const { t } = useTexts();
  const { t: page } = useWords();
  const { api } = useServices();
  const [state, setState] = useState<State>('open');
  const [written, setWritten] = useState('');
  const [query, setQuery] = useState('');
  const rooms = usePages(
    `rooms ${state} ${query}`,
    (cursor) =>
      api.listRooms({
        ...(state === 'all' ? {} : { status: state }),
        ...(query ? { q: query } : {}),
        ...(cursor ? { cursor } : {}),
      }),
    // A search by words costs more than a list.
    query ? 0 : LIST_MS,
  );
  const search = (event: FormEvent) => {
    event.preventDefault();
    const text = written.trim();
    if (ROOM_ID.test(text)) goTo('rooms', text);
    else setQuery(text);
  };
  return (
    <View title={t('rooms')}>
      <form className="row bottom" role="search" onSubmit={search}>
        <Field
          className="grow"
          type="search"
          label={t('find_room')}
          maxLength={200}
          value={written}
          onChange={(event) => setWritten(event.target.value)}
        />
        <button className="button">{page('search')}</button>
      </form>
      <Tabs
        label={t('state')}
        value={state}
        options={[
          ['open', t('room_open')],
          ['closed', t('room_closed')],
          ['all', t('all')],
        ]}
        onChange={setState}
      />
      <Listed pages={rooms} label={t('rooms')} empty={t('no_rooms')} icon="chat">
        {(room) => (
          <Entry
            key={room.room_id}
            href={at('rooms', room.room_id)}
            title={titleOf(room, t)}
            end={
              <>
                <RoomMark room={room} />
                <span className="small quiet">
                  <Moment at={room.opened_at} />
                </span>
              </>
            }
          >
            {[room.room_id, room.host, membersText(room, page)].join(' · ')}
          </Entry>
        )}
      </Listed>
    </View>
  );
}

function titleOf(room: Room, t: ReturnType<typeof useTexts>['t']): string {
  return room.title_erased ? t('erased_text') : room.title;
}

function membersText({ member_count, max_members }: Room, t: ReturnType<typeof useWords>['t']): string {
  return t('members_of', { count: member_count, max: max_members });
}

function RoomMark({ room }: { room: Room }) {
  const { t } = useTexts();
  return <Mark tone={room.status === 'open' ? 'good' : 'plain'}>{t(`room_${room.status}`)}</Mark>;
}

/** One room. */
export function RoomView({ id }: { id: string }) {
  const { t } = useTexts();
  const { api } = useServices();
  const room = useRead(`room ${id}`, () => api.showRoom({ room: id }), LIST_MS);
  return (
    <View title={room.data ? titleOf(room.data, t) : id} back={at('rooms')}>
      <Loaded read={room}>{(data) => <Content room={data} onChange={room.reload} />}</Loaded>
    </View>
  );
}

function Content({ room, onChange }: { room: Room; onChange: () => void }) {
  const { t } = useTexts();
  const { t: page } = useWords();
  const { api } = useServices();
  const { room_id: id } = room;
  const [message, setMessage] = useState('');
  const [user, setUser] = useState('');
  return (
    <>
      <Section title={t('details')}>
        <Facts
          facts={[
            [t('state'), <RoomMark key="state" room={room} />],
            [t('id'), id],
            [t('box'), <a href={at('boxes', room.box_id)}>{room.box_id}</a>],
            [t('store'), <a href={at('stores', room.store_id)}>{room.store_id}</a>],
            [t('host'), <a href={at('users', room.host)}>{room.host}</a>],
            [t('members'), membersText(room, page)],
            [t('step'), page(`step_${room.step}`)],
            [t('has_password'), room.locked ? t('yes') : t('no')],
            [t('opened_at'), <Moment at={room.opened_at} />],
            [t('closes_at'), room.status === 'open' ? <Moment at={room.closes_at} /> : undefined],
            [t('closed_at'), room.closed_at && <Moment at={room.closed_at} />],
            [t('closed_reason'), room.closed_reason && t(`closed_by_${room.closed_reason}`)],
          ]}
        />
      </Section>
      <Section title={t('moderation')}>
        <p className="quiet">{t('texts_in_reports')}</p>
        <div className="ops-actions">
          {room.status === 'open' && (
            <Opener label={t('close_room')} isDanger>
              {(close) => (
                <ReasonDialog
                  title={t('ask_close', { room: id })}
                  lead={t('close_room_lead', { title: titleOf(room, t) })}
                  action={t('close_room')}
                  done={t('room_is_closed', { room: id })}
                  onClose={close}
                  onRun={(reason, options) => api.closeAnyRoom({ room: id, body: { reason } }, options).then(onChange)}
                />
              )}
            </Opener>
          )}
          <Opener label={t('remove_message')} isDanger>
            {(close) => (
              <ReasonDialog
                title={t('remove_message_title', { room: id })}
                action={t('remove_message')}
                done={t('message_is_removed', { message })}
                onClose={close}
                onRun={(reason, options) =>
                  api.removeMessage({ room: id, message: message.trim(), body: { reason } }, options)
                }
              >
                <Field
                  label={t('message_id')}
                  hint={t('message_id_hint')}
                  required
                  inputMode="numeric"
                  pattern="[1-9][0-9]{0,17}"
                  value={message}
                  onChange={(event) => setMessage(event.target.value)}
                />
              </ReasonDialog>
            )}
          </Opener>
          {room.status === 'open' && (
            <Opener label={t('lift_kick')}>
              {(close) => (
                <ReasonDialog
                  title={t('lift_kick_title', { room: id })}
                  action={t('lift_kick')}
                  done={t('kick_is_lifted', { user })}
                  onClose={close}
                  onRun={(reason, options) =>
                    api.liftKick({ room: id, user: user.trim(), body: { reason } }, options).then(onChange)
                  }
                >
                  <Field
                    label={t('kicked_user')}
                    required
                    autoCapitalize="none"
                    spellCheck={false}
                    pattern="[a-z0-9][a-z0-9_\-]{0,39}"
                    value={user}
                    onChange={(event) => setUser(event.target.value)}
                  />
                </ReasonDialog>
              )}
            </Opener>
          )}
        </div>
      </Section>
    </>
  );
}
