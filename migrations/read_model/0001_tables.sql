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
    installed_at timestamptz not null,
    -- ["user", ...]: those who may use the box while it is private, ordered by id
    users jsonb not null default '[]'
);

create table rooms (
    box_id text not null,
    room_id text not null,
    number int not null,
    store_id text not null,
    -- of its box when the room was opened
    zip_code text not null,
    title text not null,
    -- the user who gave the title was erased
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
    -- when a message was last posted or a member came or went, or when the room was closed
    last_activity_at timestamptz not null,
    -- what a search may ask for: the words of the title unless it is erased, and the store
    words tsvector not null,
    -- when a message was last posted; null if none was
    last_message_at timestamptz,
    -- the user who gave the title
    title_by text not null default '',
    -- the least time between two messages of a member; 0 if there is no limit
    slow_mode_seconds int not null default 0,
    -- ["42", ...]: the pinned messages, the oldest pin first
    pins jsonb not null default '[]',
    -- [{"number", "by", "max_uses", "uses", "created_at", "expires_at"}, ...]: the valid ones when the last was made
    invitations jsonb not null default '[]',
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
    -- how many messages the user has posted, deleted ones included
    posts bigint not null,
    co_host bool not null default false,
    -- when the last muting ends; null if there was none, or if it was ended
    muted_until timestamptz,
    primary key (box_id, room_id, user_id)
) with (fillfactor = 70);

-- The same keyed by user: my rooms.
create table user_rooms (
    user_id text not null,
    opened_at timestamptz not null,
    room_id text not null,
    box_id text not null,
    -- true if the user is inside, or was when the room closed
    inside bool not null,
    -- when the room closed with the user inside
    closed_at timestamptz,
    primary key (user_id, room_id)
) with (fillfactor = 90);

create table messages (
    box_id text not null,
    room_id text not null,
    -- sequence in the log
    message_id bigint not null,
    -- 1, 2, 3 ... in the room
    ordinal bigint not null,
    author text not null,
    -- 1, 2, 3 ... of this author in the room
    author_ordinal bigint not null,
    -- null when deleted
    body text,
    -- the author was erased
    erased bool not null,
    reply_to bigint,
    posted_at timestamptz not null,
    edited_at timestamptz,
    -- {"emoji": ["user", ...]}, the users in order of arrival
    reactions jsonb not null,
    -- ["user", ...]: the members that the text mentions, in the order of the text
    mentions jsonb not null,
    -- the host mentioned all members
    mentions_all bool not null,
    -- the alarms that it has caused, so that they can be changed and withdrawn; null if none
    alarms jsonb,
    -- what a search may ask for: words, room and time; empty when deleted or erased
    words tsvector not null,
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
    -- shown only to the user who sent the command; null for other senders
    command_id text,
    -- the message that it is about, so that a deletion blanks earlier rows
    message_id bigint,
    -- sequence in the log
    position bigint not null,
    primary key (box_id, room_id, v)
);

-- What a user should know of; alarms_read has how far it was read. Withdrawn rows stay, so that clients learn of it.
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
    -- users who reacted within the hour; 1 for other kinds
    count int not null,
    -- sequence of the latest event that is counted: unread unless the user has read as far
    latest bigint not null,
    -- sequence of the last event that changed the row: clients that have less are sent the row again
    changed bigint not null,
    -- message_deleted, reaction_removed, author_erased; null while it stands
    withdrawn text,
    -- [{"user": "ben", "position": 7}, ...]: the users who reacted, each with the latest reaction, in order of these;
    -- null for other kinds
    reactors jsonb,
    primary key (user_id, stream, position, kind)
);

-- Erased authors: the alarms that their messages had caused are deleted, and clients are told so.
create table author_erasures (
    stream text not null,
    position bigint not null,
    box_id text not null,
    user_id text not null,
    primary key (stream, position, user_id)
);

create table users (
    user_id text primary key,
    -- null when erased
    nickname text,
    registered_at timestamptz not null,
    notification_preferences jsonb not null,
    -- false if other members are not shown the user's read markers
    share_read_markers bool not null,
    -- {"time_zone": "Asia/Seoul", "from": "22:00", "to": "07:00"}; null if there are none
    quiet_hours jsonb,
    -- null if the user is not suspended; a suspension with an end may be over
    suspended_at timestamptz,
    suspended_until timestamptz,
    suspension_reason text
);

-- Rooms that a user does not want to be disturbed by.
create table muted_rooms (
    user_id text not null,
    room_id text not null,
    primary key (user_id, room_id)
);

-- Users by whom a user does not want to be disturbed. No row of a box depends on it: it is joined when rows are read.
create table blocks (
    user_id text not null,
    -- the other user
    blocked text not null,
    blocked_at timestamptz not null,
    primary key (user_id, blocked)
);

create table devices (
    user_id text not null,
    device_id text not null,
    -- fcm, apns, web_push
    provider text not null,
    -- the token, or the subscription as JSON
    target text not null,
    -- a language tag as the device sent it
    locale text not null,
    registered_at timestamptz not null,
    primary key (user_id, device_id)
);

-- How far each user has read the alarms of each stream of boxes.
create table alarms_read (
    user_id text not null,
    stream text not null,
    up_to bigint not null,
    primary key (user_id, stream)
);

create table stores (
    store_id text primary key,
    name text not null,
    zip_code text not null,
    category text,
    open bool not null,
    -- for good
    retired bool not null,
    registered_at timestamptz not null,
    -- the words of the name
    words tsvector not null
);

-- Words and links that texts of users must not have.
create table filters (
    filter_id text primary key,
    -- word, link
    kind text not null,
    pattern text not null,
    -- refuse, mask, hold
    action text not null,
    changed_at timestamptz not null
);

-- Reports about users and their messages, and messages that filters hold back.
create table reports (
    report_id text primary key,
    -- null for a held message
    reporter text,
    -- the reported user, or the author of the held message
    user_id text not null,
    -- of the message; null in a report about a user
    room_id text,
    -- null in a report about a user, and for a held message, which is not stored in the room
    message_id bigint,
    -- when it was reported; null in a report about a user, and when the report is forgotten
    text text,
    -- spam, harassment, hate, sexual, violence, illegal, other, held
    category text not null,
    -- of the reporter; null when the report is forgotten
    note text,
    filed_at timestamptz not null,
    -- open, claimed, closed
    state text not null,
    -- the moderator who has claimed or closed it
    moderator text,
    claimed_at timestamptz,
    closed_at timestamptz,
    -- dismissed, warned, message_removed, room_closed, user_suspended, other, message_published
    action text,
    -- of the moderator; null when the report is forgotten
    resolution_note text,
    -- the texts were removed
    forgotten bool not null
);

-- How far each user has read in each room; the log's MARK stream keeps the last one only.
create table read_markers (
    box_id text not null,
    room_id text not null,
    user_id text not null,
    message_id bigint not null,
    primary key (box_id, room_id, user_id)
);

-- How many messages of a room are unread by a member: those after the marker, without deleted ones and the member's own.
-- Every term is a look-up in an index, however many messages there are.
create view unread_counts as
select
    me.user_id,
    me.box_id,
    me.room_id,
    -- the read marker; null if there is none
    k.message_id as read_up_to,
    -- all after the marker
    r.last_ordinal - coalesce((
        select m.ordinal
        from messages m
        where m.box_id = me.box_id and m.room_id = me.room_id and m.message_id <= k.message_id
        order by m.message_id desc
        limit 1
    ), 0)
    -- one's own among them, deleted ones included
    - me.posts + coalesce((
        select m.author_ordinal
        from messages m
        where m.box_id = me.box_id and m.room_id = me.room_id and m.author = me.user_id
            and m.message_id <= k.message_id
        order by m.message_id desc
        limit 1
    ), 0)
    -- the deleted ones of others among them
    - (
        select count(*)
        from messages m
        where m.box_id = me.box_id and m.room_id = me.room_id and m.body is null
            and m.message_id > coalesce(k.message_id, 0) and m.author <> me.user_id
    ) as unread
from members me
join rooms r on r.box_id = me.box_id and r.room_id = me.room_id
left join read_markers k on k.box_id = me.box_id and k.room_id = me.room_id and k.user_id = me.user_id;

-- Alarms as their users see them: without what blocked users have caused.
create view shown_alarms as
select
    a.user_id,
    a.at,
    a.box_id,
    a.position,
    a.kind,
    a.room_id,
    a.message_id,
    a.stream,
    a.changed,
    a.withdrawn,
    -- of all users, as in the index: at least as high as `latest`
    a.latest as latest_of_all,
    case when a.reactors is null then a.by else others.by end as by,
    case when a.reactors is null then a.count else others.count end as count,
    case when a.reactors is null then a.latest else others.latest end as latest,
    case
        when a.reactors is not null then others.count > 0
        when a.kind in ('reply', 'mention', 'message_after_silence') then not exists (
            select from blocks b where b.user_id = a.user_id and b.blocked = a.by
        )
        else true
    end as is_shown
from alarms a
cross join lateral (
    select
        count(*)::int as count,
        max(r.position) as latest,
        (array_agg(r."user" order by r.position desc))[1] as by
    from jsonb_to_recordset(a.reactors) as r ("user" text, position bigint)
    where a.reactors is not null
        and not exists (select from blocks b where b.user_id = a.user_id and b.blocked = r."user")
) as others;
