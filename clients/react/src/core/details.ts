/** Card and members of a room, changed by its events. */

import { isEvent, type RoomEvent } from '@boxroom/client';
import type { MemberView, Place, RoomView } from './types.js';

/** Card and members of a room, and the place of the user. */
export interface Details {
  readonly card?: RoomView;
  /** The members, in the order in which they joined. */
  readonly members: readonly MemberView[];
  readonly place: Place;
}

/** Returns what an event changes. An event that was applied before changes nothing. */
export function detailsAfter(event: RoomEvent, details: Details, userId: string): Partial<Details> {
  const { card, members } = details;
  const withCard = (change: Partial<RoomView>): Partial<Details> => (card ? { card: { ...card, ...change } } : {});
  const withMembers = (next: readonly MemberView[]): Partial<Details> => ({
    ...withCard({ member_count: next.length }),
    members: next,
  });
  const withMember = (change: (member: MemberView) => MemberView): Partial<Details> => {
    const { user_id } = event.data as { user_id: string };
    return withMembers(members.map((member) => (member.user_id === user_id ? change(member) : member)));
  };
  const pinned = card?.pinned ?? [];
  if (isEvent(event, 'member_joined')) {
    const { user_id, nickname } = event.data;
    const member = { user_id, nickname: nickname ?? null, joined_at: event.at, host: false, co_host: false };
    return withMembers([...members.filter((known) => known.user_id !== user_id), member]);
  }
  if (isEvent(event, 'member_left') || isEvent(event, 'member_kicked')) {
    const { user_id } = event.data;
    const left = withMembers(members.filter((member) => member.user_id !== user_id));
    return user_id === userId ? { ...left, place: event.type === 'member_left' ? 'left' : 'kicked' } : left;
  }
  if (isEvent(event, 'host_transferred')) {
    const { to } = event.data;
    const next = members.map((member) =>
      member.user_id === to ? { ...member, host: true, co_host: false } : { ...member, host: false },
    );
    return { ...withCard({ host: to }), members: next };
  }
  if (isEvent(event, 'step_advanced')) return withCard({ step: event.data.step });
  if (isEvent(event, 'room_extended')) return withCard({ closes_at: event.data.closes_at });
  if (isEvent(event, 'room_closed')) {
    const { reason } = event.data;
    return { ...withCard({ status: 'closed', closed_at: event.at, closed_reason: reason }), place: 'closed' };
  }
  switch (event.type) {
    case 'co_host_appointed':
    case 'co_host_dismissed':
      return withMember((member) => ({ ...member, co_host: event.type === 'co_host_appointed' }));
    case 'member_muted':
      return withMember((member) => ({ ...member, muted_until: (event.data as { until: string }).until }));
    case 'member_unmuted':
      return withMember(({ muted_until: _, ...rest }) => rest);
    case 'slow_mode_set':
      return withCard({ slow_mode_seconds: (event.data as { seconds: number }).seconds });
    case 'message_pinned': {
      const { message_id, replaced } = event.data as { message_id: string; replaced?: string };
      return withCard({ pinned: [...pinned.filter((id) => id !== message_id && id !== replaced), message_id] });
    }
    case 'message_unpinned':
    case 'message_deleted': {
      const { message_id } = event.data as { message_id: string };
      return pinned.includes(message_id) ? withCard({ pinned: pinned.filter((id) => id !== message_id) }) : {};
    }
    case 'room_changed': {
      const { locked, max_members, store_id, title } = event.data as Partial<RoomView>;
      const all = { locked, max_members, store_id, title };
      return withCard(Object.fromEntries(Object.entries(all).filter(([, value]) => value != null)));
    }
    default:
      return {};
  }
}
