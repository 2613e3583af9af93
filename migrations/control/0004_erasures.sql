-- Users who are gone for good, and how far they are taken out of everything. What is to be done is seen in the read model
-- and the log; lost rows come back, and nothing is harmed by doing it again.
create table control.erasures (
    -- which life of the log: after a restore everything is looked at again
    incarnation text not null,
    user_id text not null,
    seen_at timestamptz not null default now(),
    -- when nothing of theirs was left to read, and nobody could write in their name any more
    settled_at timestamptz,
    -- what is waited for, for people
    waits_for text not null default '',
    -- when that was still so some time later, in every generation
    finished_at timestamptz,
    primary key (incarnation, user_id)
);

create index erasures_pending on control.erasures (seen_at) where finished_at is null;
