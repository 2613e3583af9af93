-- The life of a generation: building -> ready -> active <-> standby -> retired.

alter table control.generations drop constraint generations_state_check;
alter table control.generations add constraint generations_state_check
    check (state in ('building', 'ready', 'active', 'standby', 'retired'));

alter table control.generations
    -- how far it goes by itself
    add column goal text not null default 'active' check (goal in ('ready', 'verified', 'active')),
    -- what is being done on the way there, for people
    add column phase text not null default 'building',
    -- nobody projects it while this is set; only while it is built
    add column paused boolean not null default false,
    -- events a second over all its streams while it is built
    add column max_rate int check (max_rate > 0),
    -- whether building it gives way to the generations that are read
    add column low_priority boolean not null default false,
    -- when it had all secondary indexes
    add column indexed_at timestamptz,
    add column ready_at timestamptz,
    add column verified_at timestamptz,
    -- what verifying found, or why there was nothing to compare with
    add column verification jsonb,
    -- since when it is kept for a rollback
    add column standby_at timestamptz,
    -- when its schema was gone
    add column dropped_at timestamptz,
    -- why it does not go on
    add column failure text;

update control.generations
set indexed_at = created_at,
    phase = state,
    ready_at = activated_at,
    dropped_at = retired_at;

alter table control.leases
    -- whether the holder sends notices
    add column notices boolean not null default false,
    -- how it stands with the stream, in the holder's words
    add column progress text not null default '';
