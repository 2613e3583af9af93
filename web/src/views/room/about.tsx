/** A room's members, its order, and the actions of its host. */

import {
  useBlocks,
  useBoxroom,
  useChat,
  useNames,
  usePresence,
  useRooms,
  type MemberView,
  type RoomState,
} from '@boxroom/react';
import { useState } from 'react';
import { useAction, useNow } from '../../lib/hooks.js';
import { go } from '../../lib/router.js';
import { spanOf, timeOf } from '../../lib/time.js';
import { useWords } from '../../texts/index.js';
import { Avatar, Choice, Confirm, Dialog, Icon, IconButton } from '../../ui/parts.js';
import { ChangeRoom, Invitations } from './host.js';
import { ReportDialog } from './report.js';

const STEPS = ['gathering', 'ordering', 'ordered', 'delivering', 'arrived', 'collected'] as const;
const MUTE_MINUTES = [10, 60, 1440] as const;
const SLOW_SECONDS = [0, 10, 30, 60, 300] as const;

/** Members, order, and what the user may do. */
export function About({ roomId, room }: { roomId: string; room: RoomState & { me: MemberView | undefined } }) {
  const { t, n } = useWords();
  const client = useBoxroom();
  const { userId } = useChat();
  const { rooms, reload } = useRooms();
  const { inside } = usePresence(roomId);
  const { busy, run } = useAction(true);
  const [chosen, setChosen] = useState<string>();
  const [dialog, setDialog] = useState<'change' | 'invite' | 'close' | 'leave'>();
  const [hours, setHours] = useState<'1' | '2' | '3'>('1');
  const now = useNow(1000);
  const { card, members, me } = room;
  if (!card) return null;
  const isOpen = card.status === 'open' && room.place === 'inside';
  const isHost = isOpen && card.host === userId;
  const leads = isHost || (isOpen && me?.co_host === true);
  const next = STEPS[STEPS.indexOf(card.step) + 1];
  const isMuted = rooms.find(({ room_id }) => room_id === roomId)?.muted ?? false;
  const act = (work: () => Promise<unknown>) => void run(work);
  const member = members.find(({ user_id }) => user_id === chosen);
  return (
    <div className="panel-body about">
      <section>
        <h3>{t('order')}</h3>
        <ol className="steps">
          {STEPS.map((step) => (
            <li
              key={step}
              aria-current={step === card.step ? 'step' : undefined}
              className={STEPS.indexOf(step) < STEPS.indexOf(card.step) ? 'is-done' : ''}
            >
              {t(`step_${step}`)}
            </li>
          ))}
        </ol>
        {isOpen && <p className="small quiet">{t('closes_in', { time: spanOf(Date.parse(card.closes_at) - now) })}</p>}
        {isHost && next && (
          <button
            type="button"
            className="button primary wide"
            disabled={busy}
            onClick={() => act(() => client.api.advanceStep({ room: roomId, body: { step: next } }))}
          >
            {t('step_next', { step: t(`step_${next}`) })}
          </button>
        )}
        {leads && (
          <div className="row bottom">
            <Choice
              label={t('extend_by')}
              value={hours}
              options={(['1', '2', '3'] as const).map((value) => [value, n('hours', Number(value))] as const)}
              onChange={setHours}
            />
            <button
              type="button"
              className="button"
              disabled={busy}
              onClick={() => act(() => client.api.extendRoom({ room: roomId, body: { hours: Number(hours) } }))}
            >
              {t('extend')}
            </button>
          </div>
        )}
      </section>
      <section>
        <h3>
          {t('members')}{' '}
          <span className="quiet">{t('members_of', { count: members.length, max: card.max_members })}</span>
        </h3>
        <ul className="member-list">
          {members.map((entry) => (
            <MemberEntry
              key={entry.user_id}
              member={entry}
              isHere={inside.includes(entry.user_id)}
              onOpen={entry.user_id === userId ? undefined : () => setChosen(entry.user_id)}
            />
          ))}
        </ul>
      </section>
      {isHost && (
        <section>
          <h3>{t('host')}</h3>
          <div className="stack">
            <button type="button" className="button wide" onClick={() => setDialog('change')}>
              {t('change_room')}
            </button>
            <Choice
              label={t('slow_mode')}
              value={String(card.slow_mode_seconds)}
              disabled={busy}
              options={[...new Set([...SLOW_SECONDS, card.slow_mode_seconds])]
                .sort((a, b) => a - b)
                .map((value) => [String(value), value === 0 ? t('slow_off') : n('seconds', value)] as const)}
              onChange={(value) =>
                act(() => client.api.setSlowMode({ room: roomId, body: { seconds: Number(value) } }))
              }
            />
          </div>
        </section>
      )}
      <section className="stack">
        {leads && (
          <button type="button" className="button wide" onClick={() => setDialog('invite')}>
            {t('invite')}
          </button>
        )}
        {isOpen && (
          <button
            type="button"
            className="button wide"
            disabled={busy}
            onClick={() =>
              act(async () => {
                await (isMuted ? client.api.unmuteRoom({ room: roomId }) : client.api.muteRoom({ room: roomId }));
                await reload();
              })
            }
          >
            {t(isMuted ? 'unmute_room' : 'mute_room')}
          </button>
        )}
        {isHost && (
          <button type="button" className="button danger wide" onClick={() => setDialog('close')}>
            {t('close_room')}
          </button>
        )}
        {isOpen && (
          <button type="button" className="button danger wide" onClick={() => setDialog('leave')}>
            {t('leave')}
          </button>
        )}
      </section>
      {member && (
        <MemberSheet
          roomId={roomId}
          member={member}
          isHost={isHost}
          leads={leads}
          onClose={() => setChosen(undefined)}
        />
      )}
      {dialog === 'change' && <ChangeRoom roomId={roomId} card={card} onClose={() => setDialog(undefined)} />}
      {dialog === 'invite' && <Invitations roomId={roomId} onClose={() => setDialog(undefined)} />}
      {dialog === 'close' && (
        <Confirm
          title={t('close_ask')}
          action={t('close_room')}
          onClose={() => setDialog(undefined)}
          onConfirm={() => act(() => client.api.closeRoom({ room: roomId }))}
        />
      )}
      {dialog === 'leave' && (
        <Confirm
          title={t('leave_ask')}
          action={t('leave')}
          onClose={() => setDialog(undefined)}
          onConfirm={() =>
            act(async () => {
              await client.api.leaveRoom({ room: roomId });
              go({ name: 'rooms' });
            })
          }
        />
      )}
    </div>
  );
}

function MemberEntry({
  member,
  isHere,
  onOpen,
}: {
  member: MemberView;
  isHere: boolean;
  onOpen: (() => void) | undefined;
}) {
  const { t, language } = useWords();
  const nameOf = useNames();
  const now = useNow(10_000);
  const name = nameOf(member.user_id) ?? t('unknown_user');
  const isMuted = member.muted_until != null && Date.parse(member.muted_until) > now;
  const roles = [
    member.host && t('host'),
    member.co_host && t('co_host'),
    isHere && t('online'),
    isMuted && t('muted', { time: timeOf(language, member.muted_until as string) }),
    !onOpen && t('you'),
  ].filter(Boolean);
  return (
    <li className="member">
      <span className={isHere ? 'avatar-place is-here' : 'avatar-place'}>
        <Avatar userId={member.user_id} name={name} />
      </span>
      <span className="member-text">
        <span className="member-name">{name}</span>
        <span className="small quiet">{roles.join(' · ')}</span>
      </span>
      {member.host && <Icon name="pin" />}
      {onOpen && (
        <IconButton icon="more" label={t('member_actions', { name })} aria-haspopup="dialog" onClick={onOpen} />
      )}
    </li>
  );
}

function MemberSheet({
  roomId,
  member,
  isHost,
  leads,
  onClose,
}: {
  roomId: string;
  member: MemberView;
  isHost: boolean;
  leads: boolean;
  onClose: () => void;
}) {
  const { t, n } = useWords();
  const client = useBoxroom();
  const nameOf = useNames();
  const blocks = useBlocks();
  const { run } = useAction(true);
  const [asked, setAsked] = useState<'kick' | 'transfer' | 'block' | 'report'>();
  const user = member.user_id;
  const name = nameOf(user) ?? t('unknown_user');
  // Co-hosts act neither on the host nor on each other.
  const canAct = isHost || (leads && !member.host && !member.co_host);
  const isMuted = member.muted_until != null && Date.parse(member.muted_until) > Date.now();
  const at = { room: roomId, user };
  const act = (work: () => Promise<unknown>) => {
    onClose();
    void run(work);
  };
  if (asked === 'report') return <ReportDialog userId={user} onClose={onClose} />;
  if (asked) {
    const work = {
      kick: () => client.api.kickMember(at),
      transfer: () => client.api.transferHost({ room: roomId, body: { user_id: user } }),
      block: () => client.api.blockUser({ user }),
    }[asked];
    return (
      <Confirm
        title={t(`${asked}_ask`, { name })}
        action={t(asked)}
        onClose={onClose}
        onConfirm={() => void run(work)}
      />
    );
  }
  const entry = (label: string, onClick: () => void, isDanger = false) => (
    <li key={label}>
      <button type="button" className={isDanger ? 'menu-entry is-danger' : 'menu-entry'} onClick={onClick}>
        {label}
      </button>
    </li>
  );
  return (
    <Dialog title={name} onClose={onClose} className="sheet">
      <ul className="menu">
        {canAct && isMuted && entry(t('unmute'), () => act(() => client.api.unmuteMember(at)))}
        {canAct &&
          !isMuted &&
          MUTE_MINUTES.map((minutes) =>
            entry(`${t('mute_for')} ${minutes < 60 ? n('minutes', minutes) : n('hours', minutes / 60)}`, () =>
              act(() => client.api.muteMember({ ...at, body: { minutes } })),
            ),
          )}
        {isHost && !member.co_host && entry(t('make_co_host'), () => act(() => client.api.appointCoHost(at)))}
        {isHost && member.co_host && entry(t('end_co_host'), () => act(() => client.api.dismissCoHost(at)))}
        {isHost && entry(t('transfer'), () => setAsked('transfer'))}
        {canAct && entry(t('kick'), () => setAsked('kick'), true)}
        {blocks.has(user)
          ? entry(t('unblock'), () => act(() => client.api.unblockUser({ user })))
          : entry(t('block'), () => setAsked('block'), true)}
        {entry(t('report'), () => setAsked('report'), true)}
      </ul>
    </Dialog>
  );
}
