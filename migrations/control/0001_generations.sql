-- The few tables that migrate. Read models do not: a change of theirs is a new generation.
-- The schema `control` itself is made by provisioning and belongs to the projector.

-- One row a generation of read models; its tables are in schema read_g<generation>.
create table control.generations (
    generation int primary key check (generation > 0),
    -- hash of the read model's DDL and of the projection's version
    model_version text not null,
    state text not null check (state in ('building', 'active', 'retired')),
    created_at timestamptz not null default now(),
    activated_at timestamptz,
    retired_at timestamptz
);

-- At most one active generation of a model version: old and new binaries run side by side in an upgrade.
create unique index generations_one_active on control.generations (model_version) where state = 'active';

-- Who projects which stream of which generation; the advisory lock decides, this row says whom to fence.
create table control.leases (
    generation int not null,
    stream text not null,
    -- application_name of the holder's connections
    holder text not null,
    taken_at timestamptz not null default now(),
    primary key (generation, stream)
);

grant usage on schema control to query;
grant select on control.generations to query;
