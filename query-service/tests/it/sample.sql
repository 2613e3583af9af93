insert into users values
    ('ana', 'Ana', '2026-01-01T08:00:00Z', '{"reply": false}', true, '{"time_zone": "Asia/Seoul", "from": "22:00", "to": "07:00"}'),
    ('ben', 'Ben', '2026-01-01T08:01:00Z', '{}', true, null),
    ('cem', 'Cem', '2026-01-01T08:02:00Z', '{}', true, null),
    ('dan', 'Dan', '2026-01-01T08:03:00Z', '{}', true, null),
    ('eve', 'Eve', '2026-01-01T08:04:00Z', '{}', true, null),
    ('gone', null, '2026-01-01T08:05:00Z', '{}', true, null);

insert into devices values ('ana', 'phone', 'apns', 'secret-push-token', 'ko-KR', '2026-01-02T08:00:00Z');

insert into stores values
    ('noodles', 'Noodle House', '04109', 'noodles', true, false, '2026-01-01T09:00:00Z', ''),
    ('pizza', 'Pizza Corner', '04177', null, false, false, '2026-01-01T09:01:00Z', '');

insert into boxes values
    ('north', 'shared', '04109', 'North Street 1', 'left of the door', 51.35, 12.37, 'in_service', null, 'north.2', '2026-01-01T10:00:00Z'),
    ('south', 'shared', '04109', 'South Street 1', 'hall', 51.30, 12.37, 'in_service', null, null, '2026-01-01T10:01:00Z'),
    ('west', 'private', '04177', 'West Street 1', 'yard', 51.33, 12.33, 'out_of_service', 'hinge', null, '2026-01-01T10:01:00Z'),
    ('old', 'shared', '04177', 'Old Street 1', 'yard', 51.33, 12.30, 'retired', null, null, '2025-01-01T10:00:00Z');

update boxes set users = '["ana", "ben", "cem", "dan", "eve"]' where box_id = 'west';

-- north.1 is closed, north.2 is open; ana is host of both
insert into rooms values
    ('north', 'north.1', 1, 'noodles', '04109', 'Yesterday', false, 'closed', 'expired', 'ana', 2, 5, false, 'collected',
     '2026-01-02T12:00:00Z', '2026-01-02T15:00:00Z', '2026-01-02T15:00:00Z', 3, 1, '2026-01-02T15:00:00Z', ''),
    ('north', 'north.2', 2, 'noodles', '04109', 'Lunch', false, 'open', null, 'ana', 2, 5, true, 'gathering',
     '2026-01-03T12:00:00Z', '2026-01-03T15:00:00Z', null, 9, 4, '2026-01-03T12:09:00Z', '');

insert into members values
    ('north', 'north.1', 'ana', 'inside', '2026-01-02T12:00:00Z', 1, 0),
    ('north', 'north.1', 'eve', 'inside', '2026-01-02T12:01:00Z', 2, 1),
    ('north', 'north.2', 'ana', 'inside', '2026-01-03T12:00:00Z', 1, 1),
    ('north', 'north.2', 'ben', 'inside', '2026-01-03T12:01:00Z', 2, 3),
    ('north', 'north.2', 'cem', 'left', '2026-01-03T12:02:00Z', 3, 0),
    ('north', 'north.2', 'dan', 'kicked', '2026-01-03T12:03:00Z', 4, 0);

insert into user_rooms
select m.user_id, r.opened_at, r.room_id, r.box_id, m.standing = 'inside', r.closed_at
from members m join rooms r on r.box_id = m.box_id and r.room_id = m.room_id;

insert into messages values
    ('north', 'north.1', 5, 1, 'eve', 1, 'spring rolls for me', false, null, '2026-01-02T12:05:00Z', null, '{}', '[]', false, null, ''),
    ('north', 'north.2', 21, 1, 'ana', 1, 'who wants noodles?', false, null, '2026-01-03T12:05:00Z', null, '{"👍": ["ben", "ana"]}', '["ben"]', true, null, ''),
    ('north', 'north.2', 22, 2, 'ben', 1, 'me, with spring rolls', false, 21, '2026-01-03T12:06:00Z', '2026-01-03T12:07:00Z', '{}', '[]', false, null, ''),
    ('north', 'north.2', 23, 3, 'ben', 2, null, false, null, '2026-01-03T12:08:00Z', null, '{}', '[]', false, null, ''),
    ('north', 'north.2', 24, 4, 'ben', 3, 'soon?', false, null, '2026-01-03T12:09:00Z', null, '{}', '[]', false, null, '');

insert into read_markers values ('north', 'north.2', 'ana', 22);

-- cem leaves at 5, dan is kicked at 7
insert into room_events values
    ('north', 'north.2', 1, 'room_opened', '2026-01-03T12:00:00Z', 'ana', '{"store_id": "noodles", "title": "Lunch", "title_erased": false, "host": "ana", "max_members": 5, "locked": true, "opened_at": "2026-01-03T12:00:00Z", "closes_at": "2026-01-03T15:00:00Z"}', 'c-1', null, 11),
    ('north', 'north.2', 2, 'member_joined', '2026-01-03T12:01:00Z', 'ben', '{"user_id": "ben"}', null, null, 12),
    ('north', 'north.2', 3, 'member_joined', '2026-01-03T12:02:00Z', 'cem', '{"user_id": "cem"}', null, null, 13),
    ('north', 'north.2', 4, 'member_joined', '2026-01-03T12:03:00Z', 'dan', '{"user_id": "dan"}', null, null, 14),
    ('north', 'north.2', 5, 'member_left', '2026-01-03T12:04:00Z', 'cem', '{"user_id": "cem"}', null, null, 15),
    ('north', 'north.2', 6, 'message_posted', '2026-01-03T12:05:00Z', 'ana', '{"message_id": "21", "author": "ana", "body": "who wants noodles?", "erased": false, "reply_to": null, "mentions": ["ben"], "mentions_all": true}', 'c-6', 21, 21),
    ('north', 'north.2', 7, 'member_kicked', '2026-01-03T12:05:30Z', 'ana', '{"user_id": "dan"}', null, null, 16),
    ('north', 'north.2', 8, 'message_posted', '2026-01-03T12:06:00Z', 'ben', '{"message_id": "22", "author": "ben", "body": "me", "erased": false, "reply_to": "21", "mentions": [], "mentions_all": false}', null, 22, 22),
    ('north', 'north.2', 9, 'room_extended', '2026-01-03T12:07:00Z', null, '{"extension": 1, "hours": 1, "closes_at": "2026-01-03T15:00:00Z"}', null, null, 25);

insert into alarms values
    ('ana', '2026-01-03T12:06:00Z', 'north', 22, 'reply', 'north.2', 22, 'ben', 'box-1', 1, 22, 22, null),
    ('ana', '2026-01-03T12:06:00Z', 'north', 22, 'mention', 'north.2', 22, 'ben', 'box-1', 1, 22, 22, null),
    ('ana', '2026-01-02T15:00:00Z', 'north', 9, 'room_closed', 'north.1', null, null, 'box-1', 1, 9, 9, null);
