-- Services that wait for a change of these tables are notified of it, so that they need not poll them.
create function control.notify_change() returns trigger language plpgsql as $$
begin
    perform pg_notify('boxroom_control', tg_table_name);
    return null;
end
$$;

create trigger generations_changed after insert or update or delete on control.generations
    for each row execute function control.notify_change();
create trigger retries_changed after insert or update or delete on control.retries
    for each row execute function control.notify_change();
create trigger erasures_changed after insert or update or delete on control.erasures
    for each row execute function control.notify_change();
