-- Webhooks: addresses of other systems that get the events of boxes. No log and no rebuild makes these tables again, so
-- they are backed up with PostgreSQL's tools.

create table webhooks (
    webhook_id text primary key,
    url text not null,
    -- the types of its events; * stands for all
    types text[] not null,
    -- the only box; all boxes if null
    box_id text,
    created_at timestamptz not null default now(),
    -- null while it is active
    paused_at timestamptz,
    -- operator, receiver
    paused_by text,
    last_failure_at timestamptz,
    -- the id of the event whose attempt failed
    last_failure_event text,
    last_failure text
);

-- The keys of the signatures.
create table webhook_secrets (
    webhook_id text primary key references webhooks on delete cascade,
    secret bytea not null
);

-- The positions up to which matching events are planned.
create table webhook_cursors (
    webhook_id text not null references webhooks on delete cascade,
    stream text not null,
    -- a replay repeats earlier events beside the live ones
    is_replay bool not null,
    incarnation text not null,
    position bigint not null,
    -- the last position of a replay
    until bigint,
    primary key (webhook_id, stream, is_replay)
);

-- The planned events. Their content is in the log. Rows are removed 30 days after the event is done or dead.
create table webhook_events (
    webhook_id text not null references webhooks on delete cascade,
    stream text not null,
    is_replay bool not null,
    incarnation text not null,
    position bigint not null,
    -- the number of the event in its commit, from 0
    index int not null,
    box_id text not null,
    -- queued (behind an earlier event of its box), waiting, sending, done, dead
    state text not null,
    attempts int not null default 0,
    next_at timestamptz not null default now(),
    -- a failed attempt after this time is the last one
    expires_at timestamptz not null,
    updated_at timestamptz not null default now(),
    -- the last failure
    detail text,
    primary key (webhook_id, stream, is_replay, incarnation, position, index)
);
create index webhook_events_due on webhook_events (stream, webhook_id, attempts, next_at) where state = 'waiting';
create index webhook_events_of_box on webhook_events (webhook_id, is_replay, box_id, position, index)
where state in ('queued', 'waiting', 'sending');
create index webhook_events_pending on webhook_events (webhook_id, stream, is_replay)
where state in ('queued', 'waiting', 'sending');
create index webhook_events_sending on webhook_events (stream, webhook_id, box_id) where state = 'sending';
create index webhook_events_by_age on webhook_events (updated_at) where state in ('done', 'dead');

-- The role for people reads the other tables, but no secrets.
do $$
begin
  if exists (select from pg_roles where rolname = 'operator') then
    revoke all on webhook_secrets from operator;
  end if;
end $$;
