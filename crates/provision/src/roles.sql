-- The database's roles. Runs as superuser inside Boxroom's database, as often as one likes.

-- Writes the read models. Owns what it creates.
do $$ begin
  if not exists (select from pg_roles where rolname = 'projector') then
    create role projector;
  end if;
end $$;

-- Reads them and nothing else.
do $$ begin
  if not exists (select from pg_roles where rolname = 'query') then
    create role query;
  end if;
end $$;

alter role projector login nosuperuser nocreatedb nocreaterole;
alter role query login nosuperuser nocreatedb nocreaterole;
alter role query set default_transaction_read_only = on;

-- Nothing of this database is for everybody.
do $$ begin
  execute format('revoke all on database %I from public', current_database());
  execute format('grant connect, create, temporary on database %I to projector', current_database());
  execute format('grant connect on database %I to query', current_database());
end $$;
revoke all on schema public from public;

create schema if not exists control authorization projector;
grant usage on schema control to query;
grant select on all tables in schema control to query;

-- Each generation of the read model is a schema of its own, created later: the projector's
-- schemas and tables are readable from the moment they exist.
alter default privileges for role projector grant usage on schemas to query;
alter default privileges for role projector grant select on tables to query;
