/** The open rooms of an area, live. */

import type { LobbyRoom } from '@boxroom/client';
import { useBoxroom } from '@boxroom/react';
import { useEffect, useState } from 'react';

/** An area: a postal code, or a place with a radius. */
export type Area = { zip_code: string } | { near: string; radius: number };

/** Follows the open rooms of an area while the component is mounted. */
export function useLobby(area: Area | undefined): readonly LobbyRoom[] | undefined {
  const client = useBoxroom();
  const [rooms, setRooms] = useState<readonly LobbyRoom[]>();
  const key = JSON.stringify(area);
  useEffect(() => {
    setRooms(undefined);
    if (key === undefined) return undefined;
    const { live } = client;
    const stops = [
      live.on('lobby', (data) => setRooms(data.rooms)),
      live.on('lobby_changed', ({ rooms: changed, removed }) =>
        setRooms((known = []) => {
          const gone = new Set([...removed, ...changed.map(({ room_id }) => room_id)]);
          return [...known.filter(({ room_id }) => !gone.has(room_id)), ...changed];
        }),
      ),
    ];
    live.followLobby(JSON.parse(key) as Area);
    return () => {
      stops.forEach((stop) => stop());
      live.leaveLobby();
    };
  }, [client, key]);
  return rooms;
}
