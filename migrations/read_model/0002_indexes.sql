-- The secondary indexes of one generation: added when it has caught up, because a rebuild is faster without them.
-- Every one can be created again, so that whoever is interrupted begins anew.

create index if not exists boxes_by_installation on boxes (installed_at desc, box_id);
create index if not exists boxes_by_zip_code on boxes (zip_code, installed_at desc, box_id);
create index if not exists rooms_by_opening on rooms (opened_at desc, room_id);
create index if not exists open_rooms_by_opening on rooms (opened_at desc, room_id) where status = 'open';
create index if not exists user_rooms_by_opening on user_rooms (user_id, opened_at desc, room_id);
-- A short list of pending entries, because every search reads all of it.
create index if not exists messages_by_words on messages using gin (words) with (gin_pending_list_limit = 1024);
create index if not exists room_events_of_message on room_events (box_id, room_id, message_id) where message_id is not null;
create index if not exists alarms_by_time on alarms (user_id, at desc, box_id, position, kind);
create index if not exists users_erased on users (user_id) where nickname is null;
create index if not exists stores_by_registration on stores (registered_at desc, store_id);
create index if not exists stores_by_zip_code on stores (zip_code, registered_at desc, store_id);
