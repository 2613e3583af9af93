-- The secondary indexes of one generation: added when it has caught up, because a rebuild is faster without them.
-- Every one can be created again, so that whoever is interrupted begins anew.

create index if not exists boxes_by_installation on boxes (installed_at desc, box_id);
create index if not exists boxes_by_zip_code on boxes (zip_code, installed_at desc, box_id);
create index if not exists free_boxes on boxes (installed_at desc, box_id)
    where service = 'in_service' and room_id is null;
create index if not exists free_boxes_by_zip_code on boxes (zip_code, installed_at desc, box_id)
    where service = 'in_service' and room_id is null;
create index if not exists free_boxes_by_location on boxes using gist (point(longitude, latitude))
    where service = 'in_service' and room_id is null;
create index if not exists other_boxes on boxes (installed_at desc, box_id)
    where not (service = 'in_service' and room_id is null);
create index if not exists other_boxes_by_zip_code on boxes (zip_code, installed_at desc, box_id)
    where not (service = 'in_service' and room_id is null);
create index if not exists other_boxes_by_location on boxes using gist (point(longitude, latitude))
    where not (service = 'in_service' and room_id is null);
create index if not exists used_boxes_by_location on boxes using gist (point(longitude, latitude))
    where room_id is not null;
-- Few boxes are private: a list of rooms looks each box up, in vain for shared ones.
create index if not exists private_boxes on boxes (box_id) where kind = 'private';
-- For the erasure of users, who may be allowed on any box.
create index if not exists boxes_with_users on boxes (box_id) where users <> '[]';
create index if not exists open_rooms on rooms (opened_at desc, room_id) where status = 'open';
create index if not exists open_rooms_by_zip_code on rooms (zip_code, opened_at desc, room_id) where status = 'open';
create index if not exists open_rooms_by_store on rooms (store_id, opened_at desc, room_id) where status = 'open';
create index if not exists open_rooms_by_store_and_zip_code on rooms (store_id, zip_code, opened_at desc, room_id)
    where status = 'open';
create index if not exists closed_rooms on rooms (opened_at desc, room_id) where status = 'closed';
create index if not exists closed_rooms_by_zip_code on rooms (zip_code, opened_at desc, room_id)
    where status = 'closed';
create index if not exists closed_rooms_by_store on rooms (store_id, opened_at desc, room_id)
    where status = 'closed';
create index if not exists closed_rooms_by_store_and_zip_code on rooms (store_id, zip_code, opened_at desc, room_id)
    where status = 'closed';
create index if not exists open_rooms_by_words on rooms using gin (words) with (gin_pending_list_limit = 1024)
    where status = 'open';
create index if not exists closed_rooms_by_words on rooms using gin (words) with (gin_pending_list_limit = 1024)
    where status = 'closed';
create index if not exists user_rooms_by_opening on user_rooms (user_id, opened_at desc, room_id);
create index if not exists user_rooms_open on user_rooms (user_id, box_id, room_id) where inside and closed_at is null;
create index if not exists user_rooms_by_closing on user_rooms (user_id, closed_at desc, room_id)
    where inside and closed_at is not null;
-- Unread counts: how many messages an author had posted up to a message, and the deleted ones after it.
create index if not exists messages_by_author on messages (box_id, room_id, author, message_id) include (author_ordinal);
create index if not exists messages_deleted on messages (box_id, room_id, message_id) include (author) where body is null;
-- A short list of pending entries, because every search reads all of it.
create index if not exists messages_by_words on messages using gin (words) with (gin_pending_list_limit = 1024);
create index if not exists room_events_of_message on room_events (box_id, room_id, message_id) where message_id is not null;
create index if not exists alarms_by_time on alarms (user_id, at desc, box_id, position, kind) where withdrawn is null;
create index if not exists alarms_by_change on alarms (user_id, stream, changed);
create index if not exists alarms_by_latest on alarms (user_id, stream, latest desc) where withdrawn is null;
-- Alarms of a batch, for push messages.
create index if not exists alarms_by_position on alarms (stream, position);
-- Devices whose provider reports that their target is gone. Targets are longer than an entry of an index may be.
create index if not exists devices_by_target on devices (md5(target));
create index if not exists reports_by_filing on reports (filed_at, report_id);
create index if not exists reports_by_state on reports (state, filed_at, report_id);
create index if not exists reports_of_message on reports (room_id, message_id) where state <> 'closed';
-- Reports to be forgotten: long after they were closed, and when one of the two users is erased.
create index if not exists reports_by_closing on reports (closed_at) where not forgotten;
create index if not exists reports_of_reporter on reports (reporter) where not forgotten;
create index if not exists reports_of_user on reports (user_id) where not forgotten;
create index if not exists users_erased on users (registered_at desc, user_id) where nickname is null;
create index if not exists users_by_registration on users (registered_at desc, user_id);
create index if not exists users_suspended on users (registered_at desc, user_id) where suspended_at is not null;
-- Nicknames by their beginnings, without regard to case.
create index if not exists users_by_nickname on users (lower(nickname) text_pattern_ops, user_id)
    where nickname is not null;
create index if not exists stores_by_registration on stores (registered_at desc, store_id);
create index if not exists stores_by_words on stores using gin (words) with (gin_pending_list_limit = 1024);
create index if not exists stores_by_zip_code on stores (zip_code, registered_at desc, store_id);
