-- What the notifier has to tell, and what it has told. The notifier owns these tables, and no rebuild touches them. They
-- contain no texts. Rows are removed after 30 days.

-- The alarms of users with devices. The key is that of the alarm, so that an alarm is planned once.
create table planned_alarms (
    stream text not null,
    incarnation text not null,
    position bigint not null,
    user_id text not null,
    kind text not null,
    room_id text not null,
    box_id text not null,
    planned_at timestamptz not null default now(),
    due_at timestamptz not null,
    -- planned, told, skipped
    state text not null default 'planned',
    -- why it was skipped
    reason text,
    primary key (stream, incarnation, position, user_id, kind)
);
create index planned_alarms_due on planned_alarms (stream, due_at) where state = 'planned';
create index planned_alarms_of_room on planned_alarms (user_id, room_id) where state = 'planned';
create index planned_alarms_by_age on planned_alarms (planned_at);

-- One message to one device about the alarms of one room.
create table pushes (
    -- also the id at the provider: the same in each attempt
    push_id uuid primary key,
    stream text not null,
    user_id text not null,
    device_id text not null,
    provider text not null,
    room_id text not null,
    box_id text not null,
    -- the last of the alarms that it tells
    position bigint not null,
    kind text not null,
    -- how many alarms it tells
    alarms int not null,
    -- waiting, sending, sent, skipped, replaced (by a later push of the room), gone (the device), dead
    state text not null default 'waiting',
    attempts int not null default 0,
    -- true if the notifier ended during an attempt, so that it was sent once more without knowing the result
    repeated bool not null default false,
    next_at timestamptz not null default now(),
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    updated_at timestamptz not null default now(),
    -- the last result
    detail text
);
create index pushes_due on pushes (stream, provider, next_at) where state = 'waiting';
create index pushes_of_room on pushes (user_id, room_id) where state = 'waiting';
create index pushes_sending on pushes (stream) where state = 'sending';
create index pushes_dead on pushes (updated_at desc, push_id) where state = 'dead';
create index pushes_by_age on pushes (created_at);

-- Boxes in quarantine, whose alarms will appear in the read model at positions that are already planned.
create table held_boxes (
    stream text not null,
    incarnation text not null,
    box_id text not null,
    -- the sequence from which on its alarms are missing
    since bigint not null,
    primary key (stream, incarnation, box_id)
);

-- How far the alarms of each stream are planned in these tables. The position that counts is in NATS: if that one is
-- further, these tables are a copy that was restored.
create table planned_positions (
    stream text primary key,
    incarnation text not null,
    position bigint not null
);
