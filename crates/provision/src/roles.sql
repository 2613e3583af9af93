-- The database roles. Runs as superuser in Boxroom's database; safe to repeat.

-- The projector writes the read models and owns what it creates; query reads them; notifier reads them as well, and owns
-- what it has told to users; operator reads all of it for people.
do $$
declare role text;
begin
  foreach role in array array['projector', 'query', 'notifier', 'operator'] loop
    if not exists (select from pg_roles where rolname = role) then
      execute format('create role %I', role);
    end if;
    execute format('alter role %I login nosuperuser nocreatedb nocreaterole noreplication nobypassrls', role);
  end loop;
end $$;

-- Upper limits of what these roles need. The services set narrower limits themselves.
alter role projector set idle_in_transaction_session_timeout = '2min';
alter role query set default_transaction_read_only = on;
alter role query set statement_timeout = '30s';
alter role query set idle_in_transaction_session_timeout = '30s';
alter role notifier set statement_timeout = '30s';
alter role notifier set idle_in_transaction_session_timeout = '30s';
alter role operator set default_transaction_read_only = on;
-- A manual comparison may take long. A forgotten session may not: it would block vacuum.
alter role operator set statement_timeout = '10min';
alter role operator set idle_in_transaction_session_timeout = '1min';
alter role operator connection limit 10;

-- This database grants nothing to public, and these roles cannot connect to the server's own databases.
do $$
declare name text;
begin
  execute format('revoke all on database %I from public', current_database());
  -- A role that can create schemas can also create trusted extensions, but no others.
  execute format('revoke all on database %I from projector', current_database());
  execute format('grant connect, create on database %I to projector', current_database());
  execute format('grant connect on database %I to query, notifier, operator', current_database());
  for name in select datname from pg_database where datname in ('postgres', 'template1') and datname <> current_database() loop
    execute format('revoke connect, temporary on database %I from public', name);
  end loop;
end $$;
revoke all on schema public from public;

-- A role that may only select could still fill the disk with large objects or the write-ahead log, or hold the locks by
-- which the projectors share their work.
do $$
declare function record;
begin
  for function in
    select oid::regprocedure as name, proname like '%advisory%' as locks
    from pg_proc
    where pronamespace = 'pg_catalog'::regnamespace
      and (proname ~ '^(lo_.*|loread|lowrite|pg_logical_emit_message)$' or proname ~ '^pg_(try_)?advisory_(xact_)?lock')
  loop
    execute format('revoke execute on function %s from public', function.name);
    if function.locks then
      execute format('grant execute on function %s to projector, notifier', function.name);
    end if;
  end loop;
end $$;

create schema if not exists control authorization projector;
-- The notifier reads what query reads.
grant query to notifier;
create schema if not exists delivery authorization notifier;
grant usage on schema delivery to operator;
grant select on all tables in schema delivery to operator;
do $$
begin
  if to_regclass('delivery.webhook_secrets') is not null then
    revoke all on delivery.webhook_secrets from operator;
  end if;
end $$;
alter default privileges for role notifier grant select on tables to operator;

grant usage on schema control to query, operator;
grant select on all tables in schema control to operator;

-- The operator can read every table of the projector as soon as it exists. The query role can read what the projector
-- grants: the generations, and the tables of those that are served.
alter default privileges for role projector grant usage on schemas to operator;
alter default privileges for role projector grant select on tables to operator;
alter default privileges for role projector revoke all on schemas from query;
alter default privileges for role projector revoke all on tables from query;
revoke all on all tables in schema control from query;
do $$
declare generation text;
begin
  if to_regclass('control.generations') is not null then
    grant select on control.generations to query;
  end if;
  -- Covers generations that were created before the operator role existed.
  for generation in select nspname from pg_namespace where nspname ~ '^read_g[0-9]+$' loop
    execute format('grant usage on schema %I to operator', generation);
    execute format('grant select on all tables in schema %I to operator', generation);
  end loop;
end $$;
