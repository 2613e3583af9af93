-- Bounds of the work for one statement, and for one user or host.

-- Events have attempts until this time at least: an operator has resumed the webhook, and its events have all their time
-- again. One column instead of an update of all waiting events.
alter table webhooks add column attempts_until timestamptz;

-- Why planning does not go on from this position; null while it does.
alter table webhook_cursors add column problem text;

create index webhook_events_dead on webhook_events (webhook_id, is_replay) where state = 'dead';

-- The host of a Web Push endpoint; empty for other providers. The calls to a host that a user has chosen are limited.
alter table pushes add column host text not null default '';
