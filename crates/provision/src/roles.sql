-- The database's roles. Runs as superuser inside Boxroom's database, as often as one likes.

-- The projector writes the read models and owns what it creates; query reads them; operator is for people who look.
do $$
declare role text;
begin
  foreach role in array array['projector', 'query', 'operator'] loop
    if not exists (select from pg_roles where rolname = role) then
      execute format('create role %I', role);
    end if;
    execute format('alter role %I login nosuperuser nocreatedb nocreaterole noreplication nobypassrls', role);
  end loop;
end $$;

-- What a role of ours never needs for long. The services set narrower limits for themselves.
alter role projector set idle_in_transaction_session_timeout = '2min';
alter role query set default_transaction_read_only = on;
alter role query set statement_timeout = '30s';
alter role query set idle_in_transaction_session_timeout = '30s';
alter role operator set default_transaction_read_only = on;
-- A comparison by hand may take its time, a forgotten session may not: it would hold up what is cleaned away.
alter role operator set statement_timeout = '10min';
alter role operator set idle_in_transaction_session_timeout = '1min';
alter role operator connection limit 10;

-- Nothing of this database is for everybody, and nobody of us has business in the server's own databases.
do $$
declare name text;
begin
  execute format('revoke all on database %I from public', current_database());
  -- Whoever may create schemas may also create extensions that the server's packager calls trusted, and no others.
  execute format('revoke all on database %I from projector', current_database());
  execute format('grant connect, create on database %I to projector', current_database());
  execute format('grant connect on database %I to query, operator', current_database());
  for name in select datname from pg_database where datname in ('postgres', 'template1') and datname <> current_database() loop
    execute format('revoke connect, temporary on database %I from public', name);
  end loop;
end $$;
revoke all on schema public from public;

-- A role that may only select could still fill the disk with large objects or the log of changes, or hold the locks
-- by which the projectors share out their work.
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
      execute format('grant execute on function %s to projector', function.name);
    end if;
  end loop;
end $$;

create schema if not exists control authorization projector;
grant usage on schema control to query, operator;
grant select on all tables in schema control to operator;

-- People see every table of the projector from the moment it exists; query sees what the projector shows it: which
-- generation is served, and that generation's tables.
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
  -- What was created before there were operators.
  for generation in select nspname from pg_namespace where nspname ~ '^read_g[0-9]+$' loop
    execute format('grant usage on schema %I to operator', generation);
    execute format('grant select on all tables in schema %I to operator', generation);
  end loop;
end $$;
