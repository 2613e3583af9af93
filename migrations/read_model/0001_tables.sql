-- The read model of one generation; run with search_path = read_g<N>, every name unqualified.
-- No foreign keys, serials, enums or triggers; box_id first in every key of box data.

-- Where each stream stands in this generation; written first in every batch's transaction.
create table checkpoints (
    stream text primary key,
    incarnation text not null,
    position bigint not null,
    -- commit id of the message at that position, compared with the log at start
    commit_id text,
    -- when this copy was written: the one column that differs between two copies of the same log
    updated_at timestamptz not null
) with (fillfactor = 50);

-- Boxes whose events cannot be projected: the first bad one and why.
create table quarantined_boxes (
    box_id text primary key,
    stream text not null,
    position bigint not null,
    reason text not null,
    -- when the bad event happened: the same in every copy
    quarantined_at timestamptz not null
);

-- The events of quarantined boxes, to be projected when their box is repaired.
create table parked_events (
    box_id text not null,
    position bigint not null,
    primary key (box_id, position)
);

create table boxes (
    box_id text primary key,
    kind text not null,
    zip_code text not null,
    address text not null,
    detailed_address text not null,
    latitude double precision not null,
    longitude double precision not null,
    -- in_service, out_of_service, retired
    service text not null,
    out_of_service_reason text,
    -- the open room
    room_id text,
    installed_at timestamptz not null
);

create table rooms (
    box_id text not null,
    room_id text not null,
    number int not null,
    store_id text not null,
    title text not null,
    -- the user who opened the room was erased
    title_erased bool not null,
    status text not null,
    closed_reason text,
    host text not null,
    member_count int not null,
    max_members int not null,
    locked bool not null,
    step text not null,
    opened_at timestamptz not null,
    closes_at timestamptz not null,
    closed_at timestamptz,
    -- the last version of the room's feed
    v bigint not null,
    -- the ordinal of the last message
    last_ordinal bigint not null,
    primary key (box_id, room_id)
) with (fillfactor = 70);

-- Everybody who was ever inside a room.
create table members (
    box_id text not null,
    room_id text not null,
    user_id text not null,
    -- inside (also: was inside when the room closed), left, kicked
    standing text not null,
    joined_at timestamptz not null,
    -- order of joining in this room
    seat bigint not null,
    -- ordinal of the user's own last message: what one wrote oneself is read
    last_post_ordinal bigint not null,
    primary key (box_id, room_id, user_id)
) with (fillfactor = 70);

-- The same keyed by user: my rooms.
create table user_rooms (
    user_id text not null,
    opened_at timestamptz not null,
    room_id text not null,
    box_id text not null,
    primary key (user_id, room_id)
);

create table messages (
    box_id text not null,
    room_id text not null,
    -- sequence in the log
    message_id bigint not null,
    -- 1, 2, 3 ... in the room
    ordinal bigint not null,
    author text not null,
    -- null when deleted
    body text,
    -- the author was erased
    erased bool not null,
    reply_to bigint,
    posted_at timestamptz not null,
    edited_at timestamptz,
    -- {"emoji": ["user", ...]}, the users in order of arrival
    reactions jsonb not null,
    primary key (box_id, room_id, message_id)
);

-- A room's feed: what its subscribers see, v = 1, 2, 3 ...
create table room_events (
    box_id text not null,
    room_id text not null,
    v bigint not null,
    type text not null,
    at timestamptz not null,
    -- who acted; null for the system
    by text,
    data jsonb not null,
    command_id text,
    -- the message that it is about, so that a deletion blanks earlier rows
    message_id bigint,
    -- sequence in the log
    position bigint not null,
    primary key (box_id, room_id, v)
);

-- What a user should know of; read up to a position is marked elsewhere.
create table alarms (
    user_id text not null,
    at timestamptz not null,
    box_id text not null,
    position bigint not null,
    kind text not null,
    room_id text not null,
    message_id bigint,
    by text,
    -- the stream of its box: how far a user has seen is known for each
    stream text not null,
    primary key (user_id, stream, position, kind)
);

create table users (
    user_id text primary key,
    -- null when erased
    nickname text,
    registered_at timestamptz not null,
    notification_preferences jsonb not null
);

create table devices (
    user_id text not null,
    device_id text not null,
    push_token text not null,
    registered_at timestamptz not null,
    primary key (user_id, device_id)
);

create table stores (
    store_id text primary key,
    name text not null,
    zip_code text not null,
    category text,
    open bool not null,
    registered_at timestamptz not null
);

-- How far each user has read in each room; the log's MARK stream keeps the last one only.
create table read_markers (
    box_id text not null,
    room_id text not null,
    user_id text not null,
    message_id bigint not null,
    primary key (box_id, room_id, user_id)
);
