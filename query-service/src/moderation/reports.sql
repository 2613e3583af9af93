-- Reports in the order of their filing, or one of them.
select
    r.report_id,
    r.reporter,
    r.user_id,
    u.nickname as "nickname?",
    r.room_id,
    r.message_id::text,
    r.text,
    r.category,
    r.note,
    r.filed_at,
    r.state as "state: ReportState",
    r.moderator,
    r.claimed_at,
    r.closed_at,
    r.action,
    r.resolution_note,
    r.forgotten,
    m.message_id is not null and m.body is null as "deleted!",
    case
        when r.message_id is null then 0
        else (
            select count(*)
            from reports o
            where o.room_id = r.room_id
                and o.message_id = r.message_id
                and o.state <> 'closed'
                and o.report_id <> r.report_id
        )
    end as "other_open_reports!"
from reports r
left join users u on u.user_id = r.user_id
left join messages m on m.box_id = split_part(r.room_id, '.', 1) and m.room_id = r.room_id and m.message_id = r.message_id
where ($1::text is null or r.state = $1)
    and ($5::text is null or r.report_id = $5)
    and ($2::timestamptz is null or (r.filed_at, r.report_id) > ($2, $3))
order by r.filed_at, r.report_id
limit $4
