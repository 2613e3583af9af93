-- The newest messages with certain words, in the rooms of a user.
select
    found.message_id::text as "message_id!",
    found.room_id as "room_id!",
    found.author as "author!",
    found.body as "body?",
    found.erased as "erased!",
    found.reply_to::text as "reply_to?",
    found.posted_at as "posted_at!",
    found.edited_at as "edited_at?",
    false as "deleted!",
    found.reactions as "reactions!: Reactions",
    found.mentions as "mentions!: sqlx::types::Json<Vec<String>>",
    found.mentions_all as "mentions_all!",
    found.author in (select b.blocked from blocks b where b.user_id = $1) as "blocked!"
from unnest($2::text[]) as part (words)
cross join lateral (
    select *
    from messages m
    where m.words @@ part.words::tsquery
        and ($3::text is null or m.author = $3)
        and ($4::timestamptz is null or m.posted_at >= $4)
        and ($5::timestamptz is null or m.posted_at < $5)
        and (
            $6::timestamptz is null
            or m.posted_at <= $6 and (m.posted_at < $6 or (m.box_id collate "C", m.message_id) > ($7, $8))
        )
        -- a value instead of a join: looked up for the few rows that fit otherwise
        and (
            select me.standing
            from members me
            where me.box_id = m.box_id and me.room_id = m.room_id and me.user_id = $1
        ) = 'inside'
    -- the order of the service, which merges the results of several statements
    order by m.posted_at desc, m.box_id collate "C", m.message_id
    limit $9
) as found
order by found.posted_at desc, found.box_id collate "C", found.message_id
limit $9
